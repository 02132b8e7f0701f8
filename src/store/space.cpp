// SPDX-License-Identifier: Apache-2.0
#include "store/space.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace berth::store {

namespace {

constexpr off_t kReserve = 512 << 10;

}  // namespace

bool is_out_of_space(const Error& error) {
    return error.code() == ENOSPC || error.code() == EDQUOT;
}

Error with_space_advice(const Error& error, std::string_view where) {
    constexpr std::string_view kCommand = "`berth system prune`";
    std::string_view text = error.what();
    if (!is_out_of_space(error) || text.find(kCommand) != std::string_view::npos) return error;
    // SQLite has words of its own.
    std::string reason = errno_text(error.code());
    std::string told =
        text.find(reason) != std::string_view::npos ? std::string(text) : fmt::format("{}: {}", text, reason);
    return Error(
        ErrorKind::unavailable,
        fmt::format("{} (on the file system of {}; free some space, e.g. with {})", told, where, kCommand),
        error.code());
}

bool Reserve::release() const noexcept {
    return ::unlink(path_.c_str()) == 0;
}

void Reserve::restore() const noexcept {
    int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    bool is_there = ::fallocate(fd, 0, 0, kReserve) == 0;
    ::close(fd);
    if (!is_there) ::unlink(path_.c_str());
}

}  // namespace berth::store

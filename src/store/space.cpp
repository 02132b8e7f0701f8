// SPDX-License-Identifier: Apache-2.0
#include "store/space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"

namespace berth::store {

namespace {

constexpr off_t kReserve = 512 << 10, kPart = 64 << 10;

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
    UniqueFd file(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_size == 0) return false;
    return ::ftruncate(file.get(), std::max<off_t>(0, status.st_size - kPart)) == 0;
}

void Reserve::restore() const noexcept {
    UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_size >= kReserve) return;
    // Where the disk has less, what there is stays.
    (void)::fallocate(file.get(), 0, 0, kReserve);
}

}  // namespace berth::store

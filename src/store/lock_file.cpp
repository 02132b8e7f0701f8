// SPDX-License-Identifier: Apache-2.0
#include "store/lock_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "sys/file.h"

namespace berth::store {

using namespace std::chrono_literals;

namespace {

bool try_lock(int fd, const std::string& name) {
    if (flock_fd(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    throw errno_error(errno, "flock " + name);
}

/// Whether the file behind `fd` still has that name: its last owner may have renamed or removed it while we
/// waited.
bool has_name(int fd, int dir, const std::string& name) noexcept {
    struct stat open{}, named{};
    if (::fstat(fd, &open) < 0 || ::fstatat(dir, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) < 0) return false;
    return open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

}  // namespace

int flock_fd(int fd, int operation) {
    return static_cast<int>(sys::retry([&] { return ::syscall(SYS_flock, fd, operation); }));
}

std::optional<LockFile> LockFile::acquire(int dir, const std::string& name, std::chrono::milliseconds limit) {
    auto start = std::chrono::steady_clock::now();
    auto delay = 1ms;
    while (true) {
        UniqueFd fd = sys::open_at(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (try_lock(fd.get(), name)) {
            if (has_name(fd.get(), dir, name)) return LockFile(std::move(fd));
            continue;
        }
        if (limit != kForever && std::chrono::steady_clock::now() - start >= limit) return std::nullopt;
        // flock can't wait with a limit, and an owner's work takes seconds.
        std::this_thread::sleep_for(delay);
        delay = std::min(delay * 2, 30ms);
    }
}

std::optional<LockFile> LockFile::try_present(int dir, const std::string& name, bool* absent) {
    if (absent != nullptr) *absent = false;
    std::optional<UniqueFd> fd = sys::try_open_at(dir, name, O_RDWR | O_NOFOLLOW);
    if (!fd) {
        if (absent != nullptr) *absent = true;
        return std::nullopt;
    }
    if (!try_lock(fd->get(), name) || !has_name(fd->get(), dir, name)) return std::nullopt;
    return LockFile(std::move(*fd));
}

void LockFile::remove(int dir, const std::string& name) noexcept {
    if (has_name(fd_.get(), dir, name)) ::unlinkat(dir, name.c_str(), 0);
    fd_.reset();
}

}  // namespace berth::store

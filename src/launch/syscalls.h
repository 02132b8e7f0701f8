// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Raw system calls, for code that runs between clone and exec and for the calls that libc does not know.
/// Every one returns what the kernel returns: a result, or a negative errno. They are all safe in a forked
/// child.
namespace berth::launch {

template <typename... Args>
inline long call(long number, Args... args) {
    long result = ::syscall(number, args...);
    return result < 0 ? -errno : result;
}

inline int close_fd(int fd) {
    return static_cast<int>(call(SYS_close, fd));
}

inline int open_beneath(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.mode = mode;
    how.resolve = resolve;
    long result;
    do {  // EAGAIN: a rename raced with "..", the kernel asks to try again (openat2(2))
        result = call(SYS_openat2, dir, path, &how, sizeof how);
    } while (result == -EAGAIN || result == -EINTR);
    return static_cast<int>(result);
}

inline int open_tree_fd(int dir, const char* path, unsigned flags) {
    return static_cast<int>(call(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC));
}

inline int set_mount_attr(int dir, const char* path, unsigned flags, mount_attr attr) {
    return static_cast<int>(call(SYS_mount_setattr, dir, path, flags, &attr, sizeof attr));
}

/// Attaches the mount behind `mount` (detached or not) exactly on what `target` refers to.
inline int move_mount_fd(int mount, int target) {
    return static_cast<int>(
        call(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

inline int fs_open(const char* type) {
    return static_cast<int>(call(SYS_fsopen, type, FSOPEN_CLOEXEC));
}
inline int fs_set_string(int fs, const char* key, const char* value) {
    return static_cast<int>(call(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}
inline int fs_set_flag(int fs, const char* key) {
    return static_cast<int>(call(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, nullptr, 0));
}
inline int fs_create(int fs) {
    return static_cast<int>(call(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
}
inline int fs_mount(int fs, unsigned attr) {
    return static_cast<int>(call(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr));
}

inline long clone_process(clone_args args) {
    return call(SYS_clone3, &args, sizeof args);
}

/// Closes at the end of the scope; for the child's side, where UniqueFd (base/) is not to be had.
class ScopedFd {
  public:
    explicit ScopedFd(int fd) : fd_(fd) {}
    ScopedFd(const ScopedFd&) = delete;
    ScopedFd& operator=(const ScopedFd&) = delete;
    ~ScopedFd() {
        if (fd_ >= 0) close_fd(fd_);
    }
    int get() const { return fd_; }
    int release() {
        int fd = fd_;
        fd_ = -1;
        return fd;
    }

  private:
    int fd_;
};

}  // namespace berth::launch

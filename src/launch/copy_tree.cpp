// SPDX-License-Identifier: Apache-2.0
// Copies what a folder of the image holds into the tmpfs that will cover it (the mount option tmpcopyup).
// Only what lies on the same file system, without following symlinks: the folder is as hostile as the rest of
// the image.
#include <dirent.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

constexpr int kMaxDepth = 64;
constexpr uint64_t kConfined = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

int copy_content(int from, int to, uint64_t size) {
    while (size > 0) {
        long moved = call(SYS_sendfile, to, from, nullptr, size);
        if (moved < 0) return static_cast<int>(moved);
        if (moved == 0) return 0;  // it got shorter meanwhile
        size -= static_cast<uint64_t>(moved);
    }
    return 0;
}

int copy_attributes(int to_dir, const char* name, const struct stat& source) {
    // Ids that have no mapping here can't be given: the copy stays ours.
    call(SYS_fchownat, to_dir, name, source.st_uid, source.st_gid, AT_SYMLINK_NOFOLLOW);
    if (!S_ISLNK(source.st_mode)) {
        long result = call(SYS_fchmodat, to_dir, name, source.st_mode & 07777);
        if (result < 0) return static_cast<int>(result);
    }
    timespec times[2] = {source.st_atim, source.st_mtim};
    call(SYS_utimensat, to_dir, name, times, AT_SYMLINK_NOFOLLOW);
    return 0;
}

int copy_folder(int from, int to, int depth);

int copy_entry(int from, int to, const char* name, int depth) {
    struct stat source{};
    long result = call(SYS_newfstatat, from, name, &source, AT_SYMLINK_NOFOLLOW);
    if (result == -ENOENT) return 0;
    if (result < 0) return static_cast<int>(result);
    switch (source.st_mode & S_IFMT) {
        case S_IFDIR: {
            result = call(SYS_mkdirat, to, name, 0700);
            if (result < 0) return static_cast<int>(result);
            ScopedFd inner_from(open_beneath(from, name, O_RDONLY | O_DIRECTORY, 0, kConfined));
            if (inner_from.get() == -EXDEV) break;  // something is mounted there
            if (inner_from.get() < 0) return inner_from.get();
            ScopedFd inner_to(open_beneath(to, name, O_RDONLY | O_DIRECTORY, 0, kConfined));
            if (inner_to.get() < 0) return inner_to.get();
            if (int copied = copy_folder(inner_from.get(), inner_to.get(), depth + 1); copied < 0)
                return copied;
            break;
        }
        case S_IFREG: {
            ScopedFd inner_from(open_beneath(from, name, O_RDONLY | O_NONBLOCK, 0, kConfined));
            if (inner_from.get() < 0) return inner_from.get();
            ScopedFd inner_to(open_beneath(to, name, O_WRONLY | O_CREAT | O_EXCL, 0600, kConfined));
            if (inner_to.get() < 0) return inner_to.get();
            int copied =
                copy_content(inner_from.get(), inner_to.get(), static_cast<uint64_t>(source.st_size));
            if (copied < 0) return copied;
            break;
        }
        case S_IFLNK: {
            char target[PATH_MAX];
            result = call(SYS_readlinkat, from, name, target, sizeof target - 1);
            if (result < 0) return static_cast<int>(result);
            target[result] = '\0';
            result = call(SYS_symlinkat, target, to, name);
            if (result < 0) return static_cast<int>(result);
            break;
        }
        default:
            result = call(SYS_mknodat, to, name, source.st_mode, source.st_rdev);
            if (result == -EPERM) return 0;  // a device, in a user namespace
            if (result < 0) return static_cast<int>(result);
    }
    return copy_attributes(to, name, source);
}

int copy_folder(int from, int to, int depth) {
    if (depth > kMaxDepth) return -ELOOP;
    alignas(dirent64) char buffer[4096];
    while (true) {
        long got = call(SYS_getdents64, from, buffer, sizeof buffer);
        if (got <= 0) return static_cast<int>(got);
        for (long at = 0; at < got;) {
            // libc's dirent64 is laid out as the kernel's linux_dirent64 (getdents64(2)).
            const dirent64* entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            if (int result = copy_entry(from, to, entry->d_name, depth); result < 0) return result;
        }
    }
}

}  // namespace

int copy_tree(int from, int to) {
    return copy_folder(from, to, 0);
}

}  // namespace berth::launch

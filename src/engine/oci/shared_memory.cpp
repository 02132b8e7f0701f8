// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/shared_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// Another file system than its parent's, and a tmpfs.
bool is_mounted(const std::string& folder) {
    struct stat own{}, parent{};
    struct statfs filesystem{};
    return stat(folder.c_str(), &own) == 0 && stat((folder + "/..").c_str(), &parent) == 0 &&
           own.st_dev != parent.st_dev && statfs(folder.c_str(), &filesystem) == 0 &&
           filesystem.f_type == TMPFS_MAGIC;
}

}  // namespace

void mount_shared_memory(const std::string& folder, int64_t bytes) {
    sys::make_dirs(folder, 0700);
    if (is_mounted(folder)) return;
    std::string options = fmt::format("mode=1777,size={}", bytes);
    sys::check(mount("shm", folder.c_str(), "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV, options.c_str()),
               [&] { return fmt::format("mounting shm tmpfs on {}", folder); });
}

void unmount_shared_memory(const std::string& folder) {
    if (!is_mounted(folder)) return;
    if (umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
        throw errno_error(errno, fmt::format("unmounting {}", folder));
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

/// Paths inside a container. Whoever runs there changes them while we look: every path is resolved by the
/// kernel in one openat2(2) with RESOLVE_IN_ROOT below a descriptor of the container's root, so that symlinks
/// and ".." end there, whatever is renamed meanwhile (CVE-2018-15664). Nothing of the container is ever
/// executed or loaded (CVE-2019-14271). Blocking; any thread.
namespace berth::engine {

/// What openat2(2) gives for `path` (absolute or not, "" is the root) below `root`. Links of /proc/<pid>/fd
/// and the like are never followed. `flags` as of open(2), close-on-exec is added. Throws what the kernel
/// says, with `path` (unavailable with EAGAIN where it was renamed under our hands again and again).
UniqueFd open_in_root(int root, std::string_view path, int flags, mode_t mode = 0);
/// The same; nothing where the path (or a folder of it) does not exist, or something on it is no folder, or
/// there are too many symlinks: errno has the reason (ENOENT, ENOTDIR, ELOOP).
std::optional<UniqueFd> try_open_in_root(int root, std::string_view path, int flags, mode_t mode = 0);

/// The descriptor, made with O_PATH, opened for more. Only for what fstat(2) showed to be a regular file or a
/// folder: opening a device or a fifo has effects.
UniqueFd reopen(int path_fd, int flags);

/// At most `limit` bytes of a regular file; nothing where there is none (or something else). For /etc/passwd,
/// /etc/group and so on of a container or an image. A longer file throws invalid_argument.
std::optional<std::string> read_file_in_root(int root, std::string_view path, size_t limit = 1 << 20);

/// The absolute path without symlinks that `path` leads to below `root`, the last name followed too; what
/// does not exist keeps its name. Only for showing it: it may be outdated at once. Throws invalid_argument
/// (ELOOP) for more than 255 links.
std::string resolve_in_root(int root, std::string_view path);

/// Opens the folder `path` below `root`, with O_RDONLY; missing ones are made with `mode`, owned by root.
/// Symlinks among its names are followed; one that leads nowhere is an Error (ENOENT).
UniqueFd make_folders_in_root(int root, std::string_view path, mode_t mode = 0755);

/// Whether what the descriptor refers to is the kernel's own interface (proc, sysfs, cgroup, devpts, …)
/// instead of files. It is left out of archives, as with Docker, which doesn't see such mounts at all.
bool is_kernel_interface(int fd);

/// The id of the mount (statx, STATX_MNT_ID) of <dir>/<name>, or of `dir` itself for "". Symlinks are not
/// followed.
uint64_t mount_id(int dir, const std::string& name = "");

}  // namespace berth::engine

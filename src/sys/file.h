// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

/// Checked system calls on files. All retry EINTR, open close-on-exec, and throw berth::Error with the call,
/// its object and the kernel's words. Paths here are the host's and trusted; what lies in a container is
/// reached by sys/path.h.
namespace berth::sys {

/// `result` of a system call unless it is negative: then throws errno_error(errno, what()). `what` is a text
/// or a callable that makes one.
template <typename Result, typename What>
Result check(Result result, What&& what) {
    if (result < 0) {
        int code = errno;
        if constexpr (std::is_invocable_v<What>)
            throw errno_error(code, what());
        else
            throw errno_error(code, what);
    }
    return result;
}

/// Runs `call` until it doesn't fail with EINTR.
template <typename Call>
auto retry(Call&& call) {
    while (true) {
        auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0);
UniqueFd open_at(int dir, const std::string& path, int flags, mode_t mode = 0);
/// Nothing where the path (or a folder of it) does not exist.
std::optional<UniqueFd> try_open_at(int dir, const std::string& path, int flags, mode_t mode = 0);

/// From the present offset to the end.
std::string read_all(int fd, std::string_view name);
std::string read_file(const std::string& path);
std::string read_file_at(int dir, const std::string& path);
std::optional<std::string> try_read_file(const std::string& path);
std::optional<std::string> try_read_file_at(int dir, const std::string& path);

/// All of `data`, in as few calls as possible.
void write_all(int fd, std::string_view data, std::string_view name);
/// Opens an existing file for writing and hands `data` to the kernel in one write, as /proc, /sys and cgroup
/// files want.
void write_kernel_file(const std::string& path, std::string_view data);
void write_kernel_file_at(int dir, const std::string& path, std::string_view data);
/// Temporary file in the same folder, then rename: a reader sees the old or the new content, whole. Not
/// synced.
void write_file_atomic_at(int dir, const std::string& name, std::string_view data, mode_t mode = 0600);

/// mkdir -p. Present folders are left as they are.
void make_dirs(const std::string& path, mode_t mode = 0755);
/// Names in a folder, without "." and "..", in the kernel's order.
std::vector<std::string> list_dir(int dir);
/// Removes name and all below it. Never crosses a mount point and never follows a symlink; absent is fine.
void remove_tree_at(int dir, const std::string& name);

bool exists(const std::string& path);
std::string current_dir();
/// Lexically: no "." or "//", ".." applied, absolute (relative paths are taken under `base`). Symlinks are
/// not looked at.
std::string clean_path(std::string_view path, std::string_view base = "/");

/// An anonymous file (memfd) that holds `data`, at offset 0.
UniqueFd memory_file(const char* name, std::string_view data);

}  // namespace berth::sys

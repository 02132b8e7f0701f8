// SPDX-License-Identifier: Apache-2.0
#include "engine/files/beneath.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// The kernel gives up (EAGAIN) where it can't tell whether ".." leads out while something is renamed
/// (openat2(2)). A container that renames in a loop must not hold us up for ever.
constexpr int kMaxRaces = 1000;
/// As many as Docker follows (github.com/moby/sys/symlink); the kernel's own limit is lower.
constexpr int kMaxLinks = 255;

/// Those that <linux/magic.h> lacks.
constexpr long kMqueueMagic = 0x19800202, kConfigfsMagic = 0x62656570, kFusectlMagic = 0x65735543,
               kSelinuxMagic = 0xf97cff8c, kBpfMagic = 0xcafe4a11;

int open_beneath(int root, std::string_view path, int flags, mode_t mode) {
    // No path has it, and the system call would take what is before it.
    if (path.find('\0') != std::string_view::npos) {
        errno = EINVAL;
        return -1;
    }
    open_how how{};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    std::string name(path.empty() ? "." : path);
    for (int races = 0;; ++races) {
        long fd = sys::retry([&] { return ::syscall(SYS_openat2, root, name.c_str(), &how, sizeof how); });
        if (fd >= 0) return static_cast<int>(fd);
        if (errno != EAGAIN || races == kMaxRaces) return -1;
    }
}

}  // namespace

UniqueFd open_in_root(int root, std::string_view path, int flags, mode_t mode) {
    UniqueFd fd(open_beneath(root, path, flags, mode));
    if (!fd) throw errno_error(errno, fmt::format("open {}", path.empty() ? "/" : path));
    return fd;
}

std::optional<UniqueFd> try_open_in_root(int root, std::string_view path, int flags, mode_t mode) {
    UniqueFd fd(open_beneath(root, path, flags, mode));
    if (fd) return fd;
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::nullopt;
    throw errno_error(errno, fmt::format("open {}", path));
}

UniqueFd reopen(int path_fd, int flags) {
    return sys::open_file(fmt::format("/proc/self/fd/{}", path_fd), flags);
}

std::optional<std::string> read_file_in_root(int root, std::string_view path, size_t limit) {
    std::optional<UniqueFd> found = try_open_in_root(root, path, O_PATH);
    if (!found) return std::nullopt;
    struct stat status{};
    sys::check(::fstat(found->get(), &status), [&] { return fmt::format("stat {}", path); });
    if (!S_ISREG(status.st_mode) || is_kernel_interface(found->get())) return std::nullopt;
    UniqueFd fd = reopen(found->get(), O_RDONLY | O_NONBLOCK);
    std::string content;
    std::array<char, 16384> buffer;
    while (true) {
        ssize_t got = sys::check(sys::retry([&] { return ::read(fd.get(), buffer.data(), buffer.size()); }),
                                 [&] { return fmt::format("read {}", path); });
        if (got == 0) return content;
        content.append(buffer.data(), static_cast<size_t>(got));
        if (content.size() > limit)
            throw make_error(ErrorKind::invalid_argument, "{} is larger than {} bytes", path, limit);
    }
}

std::string resolve_in_root(int root, std::string_view path) {
    std::vector<std::string> names, ahead;
    auto put_ahead = [&](std::string_view text) {
        std::vector<std::string_view> parts = split(text, '/');
        ahead.insert(ahead.end(), parts.rbegin(), parts.rend());
    };
    put_ahead(path);
    for (int links = 0; !ahead.empty();) {
        std::string name = std::move(ahead.back());
        ahead.pop_back();
        if (name.empty() || name == ".") continue;
        if (name == "..") {
            if (!names.empty()) names.pop_back();
            continue;
        }
        names.push_back(std::move(name));
        std::optional<UniqueFd> fd = try_open_in_root(root, join(names, "/"), O_PATH | O_NOFOLLOW);
        if (!fd) continue;
        std::array<char, PATH_MAX> target;
        ssize_t size = ::readlinkat(fd->get(), "", target.data(), target.size());
        if (size < 0) continue;
        if (++links > kMaxLinks) throw errno_error(ELOOP, fmt::format("resolve {}", path));
        names.pop_back();
        if (size > 0 && target[0] == '/') names.clear();
        put_ahead({target.data(), static_cast<size_t>(size)});
    }
    return "/" + join(names, "/");
}

UniqueFd make_folders_in_root(int root, std::string_view path, mode_t mode) {
    constexpr int kFolder = O_RDONLY | O_DIRECTORY;
    if (std::optional<UniqueFd> found = try_open_in_root(root, path, kFolder)) return std::move(*found);
    if (errno != ENOENT) throw errno_error(errno, fmt::format("open {}", path));
    UniqueFd folder = open_in_root(root, "", kFolder);
    std::string way;
    for (std::string_view name : split(path, '/')) {
        if (name.empty() || name == ".") continue;
        way.append("/").append(name);
        std::optional<UniqueFd> next = try_open_in_root(root, way, kFolder);
        if (!next && errno == ENOENT) {
            bool is_new = ::mkdirat(folder.get(), std::string(name).c_str(), mode) == 0;
            if (!is_new && errno != EEXIST) throw errno_error(errno, "mkdir " + way);
            next = open_in_root(root, way, kFolder);
            if (is_new) sys::check(::fchmod(next->get(), mode), [&] { return "chmod " + way; });
        }
        if (!next) throw errno_error(errno, "open " + way);
        folder = std::move(*next);
    }
    return folder;
}

bool is_kernel_interface(int fd) {
    struct statfs status{};
    sys::check(::fstatfs(fd, &status), "statfs");
    static constexpr std::array<long, 17> kMagics = {
        PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC,
        DEBUGFS_MAGIC,    TRACEFS_MAGIC, SECURITYFS_MAGIC,   EFIVARFS_MAGIC,      PSTOREFS_MAGIC,
        BINFMTFS_MAGIC,   NSFS_MAGIC,    kMqueueMagic,       kConfigfsMagic,      kFusectlMagic,
        kSelinuxMagic,    kBpfMagic};
    return std::ranges::find(kMagics, static_cast<long>(status.f_type)) != kMagics.end();
}

uint64_t mount_id(int dir, const std::string& name) {
    struct statx status{};
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name.empty() ? AT_EMPTY_PATH : 0);
    sys::check(::statx(dir, name.c_str(), flags, STATX_MNT_ID, &status), [&] { return "stat " + name; });
    return status.stx_mnt_id;
}

}  // namespace berth::engine

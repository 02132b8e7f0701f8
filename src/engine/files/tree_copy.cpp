// SPDX-License-Identifier: Apache-2.0
#include "engine/files/tree_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <map>
#include <string>

#include "engine/files/beneath.h"
#include "store/layer_lookup.h"
#include "store/layer_names.h"
#include "sys/file.h"

namespace berth::engine {

using sys::check;

namespace {

constexpr size_t kMaxDepth = 1024;

class TreeCopier {
  public:
    explicit TreeCopier(int to) : top_(to) {}
    void copy_folder(int from, int to, const std::string& path, size_t depth);

  private:
    struct Inode {
        dev_t device;
        ino_t number;
        auto operator<=>(const Inode&) const = default;
    };
    void copy_entry(int fd, const struct stat& status, int to, const std::string& name,
                    const std::string& path, size_t depth);
    static void copy_file(int from, const struct stat& status, int to, const std::string& name);

    int top_;
    std::map<Inode, std::string> links_;  ///< of files with several names: the copy of the first
};

/// What lies there below `root`, with no symlink on the way or at its end.
UniqueFd open_plain(int root, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    UniqueFd found(static_cast<int>(
        sys::retry([&] { return ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how); })));
    if (!found) throw errno_error(errno, "open " + path);
    return found;
}

/// In this order: a change of owner takes away setuid and capabilities.
void copy_metadata(int from, const struct stat& status, int to) {
    check(::fchown(to, status.st_uid, status.st_gid), "chown");
    check(::fchmod(to, status.st_mode & 07777), "chmod");
    for (const auto& [name, value] : store::read_xattrs(from, false, store::is_kept_xattr)) {
        int result = ::fsetxattr(to, name.c_str(), value.data(), value.size(), 0);
        if (result < 0 && errno != EOPNOTSUPP) throw errno_error(errno, "set attribute " + name);
    }
    std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    check(::futimens(to, times.data()), "set the times");
}

/// Of what can't be opened.
void copy_name_metadata(const struct stat& status, int to, const std::string& name) {
    check(::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW), "chown");
    if (!S_ISLNK(status.st_mode)) {
        UniqueFd fd = sys::open_at(to, name, O_PATH | O_NOFOLLOW);
        check(::chmod(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), status.st_mode & 07777), "chmod");
    }
    std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
    check(::utimensat(to, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), "set the times");
}

void copy_content(int from, int to) {
    bool in_kernel = true;
    while (true) {
        constexpr size_t kAtOnce = 1 << 30;
        ssize_t moved = sys::retry([&] {
            return in_kernel ? ::copy_file_range(from, nullptr, to, nullptr, kAtOnce, 0)
                             : ::sendfile(to, from, nullptr, kAtOnce);
        });
        if (moved == 0) return;
        if (moved > 0) continue;
        // Not between these two file systems.
        if (!in_kernel || (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS))
            throw errno_error(errno, "copy");
        in_kernel = false;
    }
}

void TreeCopier::copy_file(int from, const struct stat& status, int to, const std::string& name) {
    UniqueFd file = sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (status.st_size > 0) copy_content(from, file.get());
    copy_metadata(from, status, file.get());
}

void TreeCopier::copy_entry(int fd, const struct stat& status, int to, const std::string& name,
                            const std::string& path, size_t depth) {
    if (S_ISDIR(status.st_mode)) {
        UniqueFd inner = sys::open_at(fd, ".", O_RDONLY | O_DIRECTORY);
        check(::mkdirat(to, name.c_str(), 0700), "mkdir");
        UniqueFd made = sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        return copy_folder(inner.get(), made.get(), path, depth + 1);
    }
    if (status.st_nlink > 1) {
        auto [first, is_new] = links_.try_emplace({status.st_dev, status.st_ino}, path);
        if (!is_new) {
            // Found without a symlink: others may be at work in the copy.
            UniqueFd copy = open_plain(top_, first->second);
            check(::linkat(copy.get(), "", to, name.c_str(), AT_EMPTY_PATH), "link");
            return;
        }
    }
    if (S_ISREG(status.st_mode)) return copy_file(reopen(fd, O_RDONLY | O_NONBLOCK).get(), status, to, name);
    if (S_ISLNK(status.st_mode)) {
        std::array<char, PATH_MAX> target;
        ssize_t size = check(::readlinkat(fd, "", target.data(), target.size() - 1), "readlink");
        target[static_cast<size_t>(size)] = '\0';
        check(::symlinkat(target.data(), to, name.c_str()), "symlink");
    } else {
        check(::mknodat(to, name.c_str(), status.st_mode & (S_IFMT | 07777), status.st_rdev), "mknod");
    }
    copy_name_metadata(status, to, name);
}

void TreeCopier::copy_folder(int from, int to, const std::string& path, size_t depth) {
    if (depth > kMaxDepth)
        throw make_error(ErrorKind::invalid_argument, "folders more than {} deep", kMaxDepth);
    uint64_t mount = mount_id(from);
    for (const std::string& name : sys::list_dir(from)) {
        std::optional<UniqueFd> fd = sys::try_open_at(from, name, O_PATH | O_NOFOLLOW);
        if (!fd || mount_id(fd->get()) != mount) continue;
        struct stat status{};
        check(::fstat(fd->get(), &status), [&] { return "stat " + name; });
        if (S_ISSOCK(status.st_mode)) continue;
        std::string inner = path.empty() ? name : path + "/" + name;
        copy_entry(fd->get(), status, to, name, inner, depth);
    }
    copy_folder_attributes(from, to);
}

}  // namespace

void copy_folder_attributes(int from, int to) {
    struct stat status{};
    check(::fstat(from, &status), "stat");
    copy_metadata(from, status, to);
}

void copy_tree(int from, int to) {
    TreeCopier(to).copy_folder(from, to, "", 0);
}

}  // namespace berth::engine

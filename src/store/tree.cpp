// SPDX-License-Identifier: Apache-2.0
#include "store/tree.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// Nothing where it is absent, or where another file system is mounted on it.
std::optional<UniqueFd> open_folder(int dir, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    long fd = sys::retry([&] { return ::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how); });
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == ENOENT || errno == EXDEV) return std::nullopt;
    throw errno_error(errno, "open " + name);
}

/// A depth-first way through a tree that holds the descriptor of one folder: the one above is reached by
/// "..".
class Walk {
  public:
    Walk(int dir, const std::string& name) { enter(dir, name); }

    bool done() const { return levels_.empty(); }
    int folder() const { return folder_.get(); }
    /// The next name in the present folder.
    std::optional<std::string> next() {
        std::vector<std::string>& left = levels_.back().left;
        if (left.empty()) return std::nullopt;
        std::string name = std::move(left.back());
        left.pop_back();
        return name;
    }
    /// False where there is nothing to enter.
    bool enter(int dir, const std::string& name) {
        std::optional<UniqueFd> fd = open_folder(dir, name);
        if (!fd) return false;
        Level level{.name = name, .left = sys::list_dir(fd->get()), .id = identity(fd->get())};
        levels_.push_back(std::move(level));
        folder_ = std::move(*fd);
        return true;
    }
    /// Back to the folder above; the name of the one that was left. At the top the walk is done.
    std::string leave() {
        std::string name = std::move(levels_.back().name);
        levels_.pop_back();
        if (levels_.empty()) {
            folder_.reset();
        } else {
            folder_ = sys::open_at(folder_.get(), "..", O_RDONLY | O_DIRECTORY);
            if (identity(folder_.get()) != levels_.back().id)
                throw make_error(ErrorKind::conflict, "folder {} was moved while it was walked", name);
        }
        return name;
    }

  private:
    struct Level {
        std::string name;
        std::vector<std::string> left;
        std::pair<dev_t, ino_t> id;
    };
    static std::pair<dev_t, ino_t> identity(int fd) {
        struct stat status{};
        sys::check(::fstat(fd, &status), "fstat");
        return {status.st_dev, status.st_ino};
    }

    std::vector<Level> levels_;
    UniqueFd folder_;
};

/// Whether it is gone now; false for a folder.
bool unlink_file(int dir, const std::string& name) {
    if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    if (errno == EISDIR || errno == EPERM) return false;
    throw errno_error(errno, "unlink " + name);
}

void remove_folder(int dir, const std::string& name) {
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
        throw errno_error(errno, "rmdir " + name);
}

}  // namespace

uint64_t disk_usage(int dir, const std::string& name) {
    uint64_t blocks = 0;
    std::set<std::pair<dev_t, ino_t>> linked;
    auto count = [&](int at, const std::string& entry, struct stat& status) {
        if (::fstatat(at, entry.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) return false;
            throw errno_error(errno, "stat " + entry);
        }
        bool is_folder = S_ISDIR(status.st_mode);
        if (is_folder || status.st_nlink < 2 || linked.emplace(status.st_dev, status.st_ino).second)
            blocks += static_cast<uint64_t>(status.st_blocks);
        return is_folder;
    };
    struct stat status{};
    if (!count(dir, name, status)) return blocks * 512;
    Walk walk(dir, name);
    while (!walk.done()) {
        if (std::optional<std::string> entry = walk.next()) {
            if (count(walk.folder(), *entry, status)) walk.enter(walk.folder(), *entry);
        } else {
            walk.leave();
        }
    }
    return blocks * 512;
}

void remove_tree(int dir, const std::string& name) {
    if (unlink_file(dir, name)) return;
    Walk walk(dir, name);
    while (!walk.done()) {
        if (std::optional<std::string> entry = walk.next()) {
            if (!unlink_file(walk.folder(), *entry) && !walk.enter(walk.folder(), *entry))
                remove_folder(walk.folder(), *entry);  // gone meanwhile, or a mount point: EBUSY
        } else {
            std::string left = walk.leave();
            remove_folder(walk.done() ? dir : walk.folder(), left);
        }
    }
}

}  // namespace berth::store

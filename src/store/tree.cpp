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

/// Nothing where there is no folder (any more), or where another file system is mounted on it.
std::optional<UniqueFd> open_folder(int dir, const std::string& name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
    long fd = sys::retry([&] { return ::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how); });
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV) return std::nullopt;
    throw errno_error(errno, "open " + name);
}

/// A depth-first way through a tree that holds the descriptor of one folder: the one above is reached by
/// "..".
class Walk {
  public:
    /// A folder that is moved away while it is walked is left, or is an Error (conflict).
    enum class Moved { left, refused };

    Walk(int dir, const std::string& name, Moved moved) : moved_(moved) {
        if (enter(dir, name)) top_ = sys::open_at(folder_.get(), ".", O_RDONLY | O_DIRECTORY);
    }

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
            return name;
        }
        folder_ = sys::open_at(folder_.get(), "..", O_RDONLY | O_DIRECTORY);
        if (identity(folder_.get()) != levels_.back().id) {
            if (moved_ == Moved::refused)
                throw make_error(ErrorKind::conflict, "folder {} was moved while it was walked", name);
            find_again();
        }
        return name;
    }

  private:
    struct Level {
        std::string name;
        std::vector<std::string> left;
        std::pair<dev_t, ino_t> id;
    };
    /// Goes to the lowest of the folders that is still where it was.
    void find_again() {
        folder_ = sys::open_at(top_.get(), ".", O_RDONLY | O_DIRECTORY);
        for (size_t depth = 1; depth < levels_.size(); ++depth) {
            std::optional<UniqueFd> next = open_folder(folder_.get(), levels_[depth].name);
            if (!next || identity(next->get()) != levels_[depth].id) return levels_.resize(depth);
            folder_ = std::move(*next);
        }
    }
    static std::pair<dev_t, ino_t> identity(int fd) {
        struct stat status{};
        sys::check(::fstat(fd, &status), "fstat");
        return {status.st_dev, status.st_ino};
    }

    const Moved moved_;
    std::vector<Level> levels_;
    UniqueFd folder_, top_;
};

/// Whether it is gone now; false for a folder.
bool unlink_file(int dir, const std::string& name) {
    if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    if (errno == EISDIR) return false;
    throw errno_error(errno, "unlink " + name);
}

void remove_folder(int dir, const std::string& name) {
    if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
        throw errno_error(errno, "rmdir " + name);
}

/// The sum of `measure` over <dir>/<name> and all below it, of an inode with several names once.
template <typename Measure>
uint64_t add_up(int dir, const std::string& name, Measure measure) {
    uint64_t sum = 0;
    std::set<std::pair<dev_t, ino_t>> linked;
    auto count = [&](int at, const std::string& entry, struct stat& status) {
        if (::fstatat(at, entry.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) return false;
            throw errno_error(errno, "stat " + entry);
        }
        bool is_folder = S_ISDIR(status.st_mode);
        if (is_folder || status.st_nlink < 2 || linked.emplace(status.st_dev, status.st_ino).second)
            sum += static_cast<uint64_t>(measure(status));
        return is_folder;
    };
    struct stat status{};
    if (!count(dir, name, status)) return sum;
    Walk walk(dir, name, Walk::Moved::left);
    while (!walk.done()) {
        if (std::optional<std::string> entry = walk.next()) {
            if (count(walk.folder(), *entry, status)) walk.enter(walk.folder(), *entry);
        } else {
            walk.leave();
        }
    }
    return sum;
}

}  // namespace

UniqueFd make_folder(const std::string& path) {
    sys::make_dirs(path, 0700);
    return sys::open_file(path, O_RDONLY | O_DIRECTORY);
}

uint64_t disk_usage(int dir, const std::string& name) {
    return 512 * add_up(dir, name, [](const struct stat& status) { return status.st_blocks; });
}

uint64_t content_size(int dir, const std::string& name) {
    return add_up(dir, name,
                  [](const struct stat& status) { return S_ISREG(status.st_mode) ? status.st_size : 0; });
}

void remove_tree(int dir, const std::string& name) {
    if (unlink_file(dir, name)) return;
    Walk walk(dir, name, Walk::Moved::refused);
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

// SPDX-License-Identifier: Apache-2.0
#include "store/diff.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/strings.h"
#include "store/folder_chain.h"
#include "store/layer_lookup.h"
#include "store/layer_names.h"
#include "sys/file.h"

namespace berth::store {

namespace {

/// Names in a folder that is seen through all layers, by the uppermost layer that has them.
using Seen = std::map<std::string, struct stat>;

struct Level {
    std::vector<UniqueFd> owned;
    std::vector<int> lowers;  ///< the same folder in the layers below, uppermost first
};

bool is_same(const struct stat& a, const struct stat& b) {
    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev)
        return false;
    // A folder's size and time change with every entry.
    if (S_ISDIR(a.st_mode)) return true;
    return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
           a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class Comparer {
  public:
    std::vector<Change> take() {
        std::ranges::sort(changes_, {}, &Change::path);
        return std::move(changes_);
    }

    /// Adds what has changed below `path`, which `lowers` are the same folder of.
    void compare(int upper, const std::vector<int>& lowers, const std::string& path, size_t depth);

  private:
    void add(const std::string& path, ChangeKind kind) { changes_.push_back({path, kind}); }
    static std::optional<struct stat> find(const std::vector<int>& lowers, const std::string& name);
    static Level descend(const std::vector<int>& lowers, const std::string& name);
    void add_hidden(int upper, const std::vector<int>& lowers, const std::string& path);
    void compare_folder(int parent, const std::string& name, const std::string& path,
                        const std::vector<int>& lowers, const struct stat& status, size_t depth);

    std::vector<Change> changes_;
};

std::optional<struct stat> Comparer::find(const std::vector<int>& lowers, const std::string& name) {
    for (int lower : lowers) {
        struct stat status{};
        if (::fstatat(lower, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
            return is_whiteout(status) ? std::nullopt : std::optional(status);
        if (errno != ENOENT) throw errno_error(errno, "stat " + name);
    }
    return std::nullopt;
}

/// The folder `name` in each layer, as far down as it is seen.
Level Comparer::descend(const std::vector<int>& lowers, const std::string& name) {
    Level level;
    for (int lower : lowers) {
        std::optional<FolderChain::Folder> folder = FolderChain::open(lower, name);
        if (!folder && errno == ENOENT) continue;
        if (!folder) break;  // a whiteout or a file: hides what is below
        bool hides = is_opaque(folder->fd.get());
        level.lowers.push_back(folder->fd.get());
        level.owned.push_back(std::move(folder->fd));
        if (hides) break;
    }
    return level;
}

/// What an opaque folder of the upper layer hides.
void Comparer::add_hidden(int upper, const std::vector<int>& lowers, const std::string& path) {
    Seen seen;
    for (int lower : lowers)
        for (const std::string& name : sys::list_dir(lower)) {
            struct stat status{};
            sys::check(::fstatat(lower, name.c_str(), &status, AT_SYMLINK_NOFOLLOW), "stat " + name);
            seen.emplace(name, status);
        }
    for (const auto& [name, status] : seen) {
        struct stat own{};
        if (is_whiteout(status) || ::fstatat(upper, name.c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0) continue;
        add(path + "/" + name, ChangeKind::deleted);
    }
}

void Comparer::compare_folder(int parent, const std::string& name, const std::string& path,
                              const std::vector<int>& lowers, const struct stat& status, size_t depth) {
    std::optional<FolderChain::Folder> folder = FolderChain::open(parent, name);
    if (!folder) throw errno_error(errno, "open " + path);
    std::optional<struct stat> before = find(lowers, name);
    Level level;
    if (before && S_ISDIR(before->st_mode)) level = descend(lowers, name);
    size_t known = changes_.size();
    if (is_opaque(folder->fd.get())) add_hidden(folder->fd.get(), level.lowers, path);
    compare(folder->fd.get(), level.lowers, path, depth + 1);
    if (!before)
        add(path, ChangeKind::added);
    else if (changes_.size() != known || !is_same(status, *before))
        add(path, ChangeKind::modified);
}

void Comparer::compare(int upper, const std::vector<int>& lowers, const std::string& path, size_t depth) {
    if (depth > FolderChain::kMaxDepth)
        throw make_error(ErrorKind::invalid_argument, "folders more than {} deep", FolderChain::kMaxDepth);
    for (const std::string& name : sys::list_dir(upper)) {
        struct stat status{};
        std::string full = path + "/" + name;
        if (::fstatat(upper, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT) continue;  // a container may be running
            throw errno_error(errno, "stat " + full);
        }
        if (S_ISDIR(status.st_mode)) {
            compare_folder(upper, name, full, lowers, status, depth);
            continue;
        }
        std::optional<struct stat> before = find(lowers, name);
        if (is_whiteout(status)) {
            if (before) add(full, ChangeKind::deleted);
        } else if (!before) {
            add(full, ChangeKind::added);
        } else if (!is_same(status, *before)) {
            add(full, ChangeKind::modified);
        }
    }
}

}  // namespace

std::vector<Change> changes(int upper, const std::vector<int>& lowers) {
    Comparer comparer;
    comparer.compare(upper, lowers, "", 0);
    return comparer.take();
}

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace berth::store {

/// The open folders between a root and the place where work is done. Names come in the order of a walk, so
/// that the next one mostly needs the last few folders again.
///
/// Each folder is opened by its name relative to the one above, never through a symlink: a path can't lead
/// out of the root, whatever is changed meanwhile. However deep it is, at most kHeld descriptors are open.
class FolderChain {
  public:
    /// A hostile archive can't have trees made that nobody can remove again.
    static constexpr size_t kMaxDepth = 1024;

    struct Folder {
        std::string name;
        UniqueFd fd;
        /// What is made in it may belong to another group than the process (setgid).
        bool gives_group = false;
        /// Access and modification time, to be set when it is left.
        std::optional<std::array<timespec, 2>> times;
    };

    /// Opens `root` anew.
    explicit FolderChain(int root);

    /// Makes names[0] / names[1] / … the present folder. `open(parent, i)` gives the Folder names[i], or
    /// nothing, which is the result then.
    template <typename Open>
    Folder* enter(std::span<const std::string_view> names, Open&& open) {
        leave(common(names));
        for (size_t i = depth(); i < names.size(); ++i) {
            std::optional<Folder> next = open(top(), i);
            if (!next) return nullptr;
            push(std::move(*next));
        }
        return &top();
    }
    /// Goes one folder down.
    void push(Folder folder);
    /// The present folder. Valid until the next call.
    Folder& top();
    Folder& root() { return folders_.front(); }
    size_t depth() const { return folders_.size() - 1; }
    /// Goes up until `depth` folders are left; sets the times of those that are left behind.
    void leave(size_t depth);
    /// Drops the folder and those in it without setting times: it is about to be removed.
    void forget(std::span<const std::string_view> names);

    /// A folder in `parent`; nothing where there is none, or something else (ENOENT, ENOTDIR, ELOOP in
    /// errno).
    static std::optional<Folder> open(int parent, std::string_view name);

  private:
    static constexpr size_t kHeld = 48;

    size_t common(std::span<const std::string_view> names) const;
    void reopen();

    std::vector<Folder> folders_;  ///< the root first; never empty
};

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/unique_fd.h"
#include "context/ignore.h"

/// A tree of files as the builder knows it: what is copied, by content. The client's context, an unpacked
/// tar, a git checkout and a stage's file system are all seen through this. Blocking; any thread.
namespace berth::context {

enum class EntryType : uint8_t { file, folder, symlink, fifo, character_device, block_device };

/// What lstat(2) tells, and what follows from it. The *identity* (size, mtime, ctime, inode) only says
/// whether a digest that is known may still be believed: it is in no digest and no cache key.
struct Entry {
    std::string path;  ///< relative, clean, "a/b"; in the order of the walk: a folder before what is in it,
                       ///< names sorted by bytes
    EntryType type = EntryType::file;
    uint32_t mode = 0;  ///< 07777
    uint32_t uid = 0, gid = 0;
    uint64_t size = 0;  ///< of a file
    uint64_t device = 0;
    std::string link_target;
    std::map<std::string, std::string> xattrs;  ///< store::is_kept_xattr; of contexts: none
    int64_t mtime_ns = 0, ctime_ns = 0;
    uint64_t inode = 0;
    Digest content;  ///< sha256 of a file's bytes; empty: not known yet
};

struct WalkOptions {
    const Patterns* ignore = nullptr;  ///< borrowed; what is ignored is not there
    /// Never ignored: the Dockerfile, .dockerignore.
    std::vector<std::string> keep;
    /// A context's owner is nobody's business: everything is 0:0, as with BuildKit.
    bool drop_owner = true;
    /// Which extended attributes are read (of a stage: store::is_kept_xattr). Empty: none.
    std::function<bool(std::string_view name)> keep_xattr;
    uint64_t max_entries = 10'000'000;
};
/// All below the open folder `root`, which is never left: no symlink is followed, what is mounted within is
/// walked. Sockets are left out. A name that is gone when it is looked at is left out.
std::vector<Entry> walk(int root, const WalkOptions& options);

/// sha256 of the file's bytes, opened beneath `root` with RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH, O_NOFOLLOW.
/// Throws not_found, or unavailable where it is no file any more.
Digest hash_file(int root, const std::string& path);

/// A sorted list of entries that can be asked for paths. Value.
class Tree {
  public:
    Tree() = default;
    /// Sorts; invalid_argument for duplicates, for paths that are not clean ("..", "/", "", NUL), and for an
    /// entry below something that is no folder.
    explicit Tree(std::vector<Entry> entries);

    const std::vector<Entry>& entries() const { return entries_; }
    std::vector<Entry>& entries() { return entries_; }
    const Entry* find(std::string_view path) const;
    /// `path` and what is in it, a span of entries(); empty where it is not there. "" is everything.
    std::span<const Entry> below(std::string_view path) const;
    /// `path` with every symlink on its way (and the last, where `follow_last`) followed within the tree, as
    /// BuildKit does for sources; nothing where that leads nowhere or round in circles (255).
    std::optional<std::string> resolve(std::string_view path, bool follow_last) const;

  private:
    std::vector<Entry> entries_;
};

/// What one source word of COPY, ADD or a bind mount takes.
struct Selection {
    std::string path;  ///< literal, or with wildcards (ADD, COPY)
    bool allow_wildcards = true;
    bool allow_empty = false;           ///< wildcards that match nothing are no error (BuildKit: with others)
    const Patterns* exclude = nullptr;  ///< relative to what was selected
    std::optional<std::string> parents;  ///< COPY --parents: the pivot "./" before it, see plan
};
/// The roots that it takes, in order. not_found in BuildKit's words: `failed to compute cache key: failed to
/// calculate checksum of ref …: "/x": not found`; invalid_argument for what leaves the tree: it can't, ".."
/// at the root is the root, as with Docker.
std::vector<std::string> select(const Tree& tree, const Selection& selection);
/// The files among what was selected whose content is not known yet.
std::vector<size_t> unknown_files(const Tree& tree, const Selection& selection);
/// Of what is selected: relative names, types, modes, owners, link targets, devices, xattrs, contents. Never
/// times, inodes, or the name of the root that was selected (a COPY's destination is in the step's key).
/// Every content must be known.
Digest digest_of(const Tree& tree, const Selection& selection);

}  // namespace berth::context

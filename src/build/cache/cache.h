// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/unique_fd.h"
#include "context/tree.h"
#include "store/images.h"

/// What builds leave for builds: results of steps, files of contexts, cache mounts, fetched sources. One
/// folder, <data-root>/build, and one database in it:
///
///   cache.db       db/, Sync::off: with all of it nothing but time is lost
///   files/ab/<hex> contents of contexts' files, by sha256; 0400
///   mounts/<id>/   cache mounts' folders
///   sources/<id>/  git objects, downloads
///   tmp/           what is on its way in; emptied at the start
///
/// Results are layers of the store, which a row here alone does not hold: each has a pin
/// (store/layer_pins.h), set before the row and taken away after it. A pin without a row is dropped at the
/// start, a row whose layer is gone when it is met. Rows come before files are used and go after they are
/// removed: a file without a row is a stray.
///
/// One hard cap holds for the sum of all sizes: when it is passed, what was used least recently goes, until
/// 90 % of it are left. What a build has under way (Use) is never removed, and what is removed never fails a
/// build.
///
/// Safe for several threads; blocking: called on the pool, with one connection behind a mutex. A lookup costs
/// one row. `used` and `uses` are gathered in memory and written once a second.
namespace berth::build {

enum class CacheKind { step, context, cache_mount, git, http };  ///< API: "regular", "source.local", …

/// A step's result.
struct CachedStep {
    Digest key;
    std::string chain;              ///< of the result; "" is the empty file system
    std::optional<Digest> diff_id;  ///< of the layer that the step made; none: it changed nothing
    std::string parent_chain;
    std::string description;  ///< "RUN make"; no values of secrets
    int64_t created_ns = 0;   ///< goes into `created` of images, so that a cached build is the same image
    /// A layer that is known by an imported cache, not here yet: where it can be had (output/transfer).
    std::optional<store::LayerBlob> remote;
    std::string remote_repository;
};

struct CacheRecord {  ///< for df and prune
    std::string id;
    CacheKind kind = CacheKind::step;
    std::string description;
    std::vector<std::string> parents;
    uint64_t size = 0;
    int64_t created_ns = 0, used_ns = 0;
    int64_t uses = 0;
    bool in_use = false;
    bool shared = false;  ///< an image has its layer too: removing it frees nothing
};

struct PruneOptions {
    bool all = false;  ///< else what no image shares and is not internal
    std::optional<uint64_t> reserved_space, max_used_space, min_free_space;
    std::optional<int64_t> until_ns;  ///< not used since
    std::vector<std::string> ids, types, descriptions, parents;
    std::optional<bool> in_use, shared, is_private;
};
struct Pruned {
    std::vector<std::string> ids;
    uint64_t bytes = 0;
};

struct CacheOptions {
    std::string root;
    /// daemon.json builder.gc: maxUsedSpace, or defaultKeepStorage; 0: a tenth of the disk, 2 to 50 GiB.
    uint64_t max_bytes = 0;
    bool enabled = true;  ///< builder.gc.enabled: false: no cap, prune alone removes
};

class Cache {
  public:
    /// Opens, drops strays. A database that can't be read is made anew: it is a cache.
    Cache(store::Store& store, CacheOptions options);
    ~Cache();

    // --- steps

    /// Holds nothing: a look-up of a cached build writes nothing. protect() before it is built upon or
    /// exported.
    std::optional<CachedStep> find(const Digest& key);
    /// The layer (and so those below) cannot be collected while the lease lives. False: it is gone, and so is
    /// the row then; the step has to be run. True for a remote step, which has no layer here.
    bool protect(store::Lease& lease, const CachedStep& step);
    /// The layer is protected by the caller's lease. A second key for a result (a quick key beside the
    /// content key) is put as well. An earlier one of that key is replaced.
    void put(const CachedStep& step, uint64_t size);
    /// All of them on the way to `chain`, for exports.
    std::vector<CachedStep> steps_of(std::span<const std::string> chains);

    // --- files of contexts

    /// A context's entries as they were the last time, by its key; empty where it is new.
    std::vector<context::Entry> remembered(const std::string& context_key);
    void remember(const std::string& context_key, std::span<const context::Entry> entries);
    bool has_file(const Digest& content);
    /// Opens a content; nothing where it is not there. The descriptor outlives a removal.
    std::optional<UniqueFd> open_file(const Digest& content);
    /// Takes an open file of tmp/ (make_temporary) whose sha256 the caller has computed.
    UniqueFd make_temporary(std::string& name);
    void add_file(const std::string& temporary, const Digest& content, uint64_t size);

    // --- folders: cache mounts, git repositories

    /// Held while a step uses it: not removed, and for Sharing::locked nobody else has it. Waiting is the
    /// caller's (solve/): busy gives nothing.
    class Use {
      public:
        virtual ~Use() = default;
        virtual std::string path() const = 0;
        virtual bool is_new() const = 0;  ///< empty: to be filled with the base
        virtual void set_size(uint64_t bytes) = 0;
    };
    std::unique_ptr<Use> use_folder(CacheKind kind, const std::string& id, const std::string& description,
                                    bool exclusive);

    // --- accounts

    std::vector<CacheRecord> records();
    uint64_t total_bytes();
    Pruned prune(const PruneOptions& options);
    /// Holds the cap; after a build, and when a full disk says so (`bytes` to be had). What it frees.
    uint64_t trim(uint64_t bytes = 0);
    void flush();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::build

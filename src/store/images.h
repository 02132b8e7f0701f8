// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spec/image.h"
#include "spec/reference.h"
#include "store/blobs.h"
#include "store/snapshots.h"

/// Images: a configuration (whose digest is the image's id, as Docker's), its layers, and the names that
/// point to it.
namespace berth::store {

/// A layer as it came from, or goes to, a registry. Of the descriptor its media type, digest and size are
/// kept.
struct LayerBlob {
    Digest diff_id;
    /// May be gone from disk (pruned under pressure): then it is made or fetched anew.
    spec::Descriptor blob;
};

enum class ImageKind { image, artifact };

struct Image {
    Digest id;  ///< of the config; of the manifest for an artifact
    ImageKind kind = ImageKind::image;
    spec::Platform platform;
    int64_t created_ns = 0;  ///< by the config
    int64_t added_ns = 0;
    std::vector<LayerBlob> layers;
    std::vector<Digest> chain_ids;
    std::optional<Digest> manifest;        ///< the one it was pulled with or loaded by, if any
    std::vector<spec::Reference> tags;     ///< sorted
    std::vector<spec::Reference> digests;  ///< name@digest
    uint64_t size = 0;                     ///< sum of the layers' file contents
    std::optional<Digest> parent;          ///< image that it was built or committed from
    bool is_unpacked = false;              ///< its layers are (or were) unpacked, not just its blobs here

    std::optional<Digest> top_chain_id() const {
        if (chain_ids.empty()) return std::nullopt;
        return chain_ids.back();
    }
};

/// What makes an image known. The config, the manifests and, of each layer, the blob or the unpacked folder
/// must be in the store, protected by the lease.
struct NewImage {
    Digest config;
    ImageKind kind = ImageKind::image;
    std::optional<spec::Descriptor> manifest;
    std::vector<Digest> indexes;  ///< through which it was found
    std::vector<LayerBlob> layers;
    /// Tags to set and digests to record; with tag and digest: both. A name without either means ":latest".
    std::vector<spec::Reference> names;
    std::optional<Digest> parent;  ///< image that it was built or committed from
};

struct ListFilters {
    bool all = false;  ///< those too that have no name but children
    /// Patterns as of path.Match on familiar names; only names that match are given then.
    std::vector<std::string> references;
    std::optional<bool> dangling;
    std::vector<std::string> labels, not_labels;        ///< "k" or "k=v"
    std::optional<std::string> before, since;           ///< image
    std::optional<int64_t> until_ns, created_since_ns;  ///< created not after; not before
};

/// One line of `docker rmi`'s answer.
struct Removed {
    std::string untagged;  ///< familiar name, or
    std::string deleted;   ///< an id: of an image or a layer's chain
};

struct RemoveOptions {
    bool force = false;
    bool prune_parents = true;
    /// The short id of a container that uses the image, a running one first, or nothing. Called in a
    /// transaction: it must not use the store.
    std::function<std::optional<std::string>(const Digest& id, bool& running)> used_by;
};

struct PruneResult {
    std::vector<Removed> removed;
    uint64_t reclaimed_bytes = 0;
};

struct HistoryEntry {
    std::string id;  ///< "<missing>" or an image id
    int64_t created_ns = 0;
    std::string created_by, comment;
    std::vector<std::string> tags;
    uint64_t size = 0;
};

/// What the store takes on disk, in bytes as du counts them. blobs + layers + snapshots + other == du of the
/// root.
struct Usage {
    struct PerImage {
        Digest id;
        uint64_t size = 0;    ///< all of its layers and blobs
        uint64_t shared = 0;  ///< the part that other images hold too
        uint64_t unique = 0;
    };
    std::vector<PerImage> images;
    uint64_t blobs = 0, layers = 0, snapshots = 0, other = 0, reclaimable = 0, total = 0;
};

/// A whole store in one folder: <root>/state.db, blobs, layers, snapshots. Blocking; safe for several threads
/// and processes (docs/store.md). Errors of a full disk have the code ENOSPC and say what to do.
class Store {
  public:
    struct Options {
        std::string root;  ///< made where absent; its path must not hold , : " or a backslash (mount options)
        std::string driver = "overlay";
        /// Nobody waits for the disk where a snapshot is made or removed: a power cut may take it back until
        /// sync_metadata() was called, which is then its owner's duty.
        bool relaxed_snapshots = false;
        /// Not empty: a folder (absolute; its content doesn't change) that lies under all layers of each
        /// snapshot that is mounted: places of what a container gets from outside. No part of images, diffs
        /// or changes.
        std::string base_folder;
    };
    /// Where no other process has it open: recovers what a killed one left, and unpacks anew what a power cut
    /// may have damaged (see repair).
    explicit Store(const Options& options);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    const std::string& root() const;

    BlobStore& blobs();
    Snapshots& snapshots();
    /// What Options::relaxed_snapshots left open.
    void sync_metadata();

    /// One transaction. A tag that pointed elsewhere moves.
    Image add(Lease& lease, const NewImage& image);
    /// By name, name@digest, id or an id's unique prefix (with or without "sha256:"). not_found "No such
    /// image: x"; conflict for an ambiguous prefix, with the candidates.
    Image get(std::string_view text) const;
    std::optional<Image> find(std::string_view text) const;
    std::optional<Image> find(const Digest& id) const;
    /// Throws invalid_argument for an artifact.
    spec::ImageConfig config(const Image& image) const;
    /// The latest first, by the date of the config.
    std::vector<Image> list(const ListFilters& filters) const;
    std::vector<HistoryEntry> history(const Image& image) const;
    void tag(const Image& image, const spec::Reference& name);
    /// `name` has a digest: the image is known by it too, as after a push.
    void record_digest(const Image& image, const spec::Reference& name);
    /// Docker's rules: by a name: untags; the last name: deletes; by an id with several repositories' names:
    /// conflict unless force. What nothing holds any more goes at once.
    std::vector<Removed> remove(std::string_view text, const RemoveOptions& options);
    PruneResult prune(const ListFilters& filters, bool only_dangling, const RemoveOptions& options);
    /// Compressed layer blobs whose layers are unpacked and synced, oldest first, until `bytes` are free: the
    /// first to go under disk pressure. Only those that can come back: from a repository where they were
    /// seen, or made anew by us. The bytes that were freed.
    uint64_t drop_blobs(uint64_t bytes);
    /// All that is held by nothing: blobs, layers, ingests that nobody works on (for `ingest_age`).
    uint64_t collect(std::chrono::seconds ingest_age = std::chrono::seconds(0));
    Usage usage() const;

    /// Where a blob is known to be, for cross-repository mounts: names "domain/path".
    std::vector<std::string> blob_sources(const Digest& blob) const;
    void record_blob_source(const Digest& blob, const spec::Reference& repository);
    /// Blobs that hold a diff id, whether on disk or known by an earlier push or pull.
    std::vector<LayerBlob> blobs_of(const Digest& diff_id) const;
    void record_layer_blob(const LayerBlob& blob);

    /// The layer's tar, byte for byte the one with its diff id: from a blob that is here, else from the
    /// layer's folder (for push and save after its blob was dropped). Where the folder gives other bytes it
    /// throws unavailable at the end, and what was written is void.
    void write_layer(const Digest& chain_id, sys::ByteSink& to) const;
    /// Unpacks a layer whose blob is here onto `parent` (ready), unless it is there; invalid_argument where
    /// the content is not that of its diff id.
    LayerInfo unpack_blob(Lease& lease, const LayerBlob& layer, const std::optional<Digest>& parent);
    /// Unpacks layers of unpacked images that are gone (a power cut before they were synced) from their
    /// blobs. The images of which a blob is missing too: they have to be pulled again.
    std::vector<Digest> repair();

    /// A snapshot's changes as a new layer (tar, gzip blob, folder unpacked onto the snapshot's parent): diff
    /// id and blob.
    LayerBlob commit_layer(Lease& lease, const std::string& snapshot, std::optional<int64_t> clamp_mtime);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The chain id of a layer on its parent (image-spec, config.md, "Layer ChainID").
Digest chain_id_of(const std::optional<Digest>& parent, const Digest& diff_id);

}  // namespace berth::store

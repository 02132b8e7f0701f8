// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "store/metadata.h"

/// What the registry knows about its content, in <root>/registry.db. The content itself is files of the
/// BlobStore.
///
///   repositories ──┬─ repo_blobs   which blobs a repository shows, and when one was last asked for by a push
///                  ├─ manifests ─── manifest_references   blobs and manifests that a manifest needs
///                  ├─ tags ──────── one manifest each
///                  └─ uploads      begun and not yet complete; their bytes are ingests of the BlobStore
///
/// Invariants, each held by one transaction:
/// - A manifest is only recorded where all it needs is in its repository (but for a proxy, which fetches it
/// on demand).
/// - A blob is visible in the repositories that link it (repo_blobs), nowhere else.
/// - A link that a manifest of its repository needs stays. One that no manifest needs stays for the grace
/// time after a
///   client pushed it or found it there, and as long as pushes to its repository go on: a manifest may
///   follow.
/// - BlobStore keeps what kReferenced selects, so content goes only after its last link and manifest row.
namespace berth::registry::server {

struct Manifest {
    struct Reference {
        Digest digest;
        bool is_manifest = false;
        bool required = true;  ///< false: may be elsewhere (layers with URLs)
    };
    Digest digest;
    std::string media_type;
    uint64_t size = 0;
    std::string artifact_type;
    std::optional<Digest> subject;
    std::string annotations = "{}";  ///< JSON
    std::vector<Reference> references;
};

/// What a manifest row says to whoever serves it.
struct ManifestInfo {
    Digest digest;
    std::string media_type;
    uint64_t size = 0;
};

struct Referrer {
    ManifestInfo manifest;
    std::string artifact_type;
    std::string annotations;  ///< JSON
};

struct UploadInfo {
    std::string id;
    std::string repository;
};

struct TagInfo {
    std::string repository, name;
    Digest digest;
    int64_t updated_ns = 0;
};

/// Where a listing starts and how long it may be.
struct Page {
    std::optional<std::string> last;  ///< entries after this one
    std::optional<uint64_t> limit;    ///< no limit where absent
};

struct Listing {
    std::vector<std::string> names;
    bool more = false;  ///< there are entries after the last one
};

/// Thread-safe, blocking: writers wait for the disk. Readers have a connection of their own and don't wait
/// for writers.
class Catalog {
  public:
    /// Creates registry.db where absent. `grace`: how long a blob waits for its manifest.
    Catalog(const std::string& root, std::chrono::seconds grace);

    /// The SELECT of all digests that must stay, for the BlobStore on metadata().
    static const std::string_view kReferenced;
    store::Metadata& metadata() { return write_; }

    // --- blobs ---
    /// The size of a blob that the repository shows. A link that is found is safe for the whole grace time
    /// from now on.
    std::optional<uint64_t> find_blob(std::string_view repository, const Digest& digest);
    /// Makes the blob, which the caller holds a lease on, visible; ends the upload that brought it.
    void link_blob(std::string_view repository, const Digest& digest, uint64_t size,
                   std::string_view upload = {});
    /// Shows a blob of another repository here. Nothing where `from` doesn't show it.
    std::optional<uint64_t> mount_blob(std::string_view from, std::string_view repository,
                                       const Digest& digest);
    bool unlink_blob(std::string_view repository, const Digest& digest);
    /// The digests of all links.
    std::vector<Digest> linked() const;
    /// Forgets a digest whose content is lost: its links and manifests. The rows that went.
    uint64_t forget(const Digest& digest);

    // --- uploads ---
    void begin_upload(std::string_view id, std::string_view repository);
    std::optional<UploadInfo> find_upload(std::string_view id) const;
    /// The upload's bytes, verified, are about to be published as `digest`. A process that dies before the
    /// link leaves a blob that stays as long as the upload does.
    void announce_upload(std::string_view id, const Digest& digest);
    /// Whether the bytes of the upload were verified to be `digest`.
    bool is_announced(std::string_view id, const Digest& digest) const;
    /// Bytes came.
    void touch_upload(std::string_view id);
    bool end_upload(std::string_view id);

    // --- manifests and tags ---
    /// Records the manifest, whose content the caller holds a lease on, and the tag where not empty. Returns
    /// what is missing in the repository; then nothing is recorded.
    std::vector<Manifest::Reference> put_manifest(std::string_view repository, const Manifest& manifest,
                                                  std::string_view tag, bool check_references);
    std::optional<ManifestInfo> find_manifest(std::string_view repository, const Digest& digest);
    std::optional<ManifestInfo> find_tag(std::string_view repository, std::string_view tag);
    void put_tag(std::string_view repository, std::string_view tag, const Digest& digest);
    bool delete_manifest(std::string_view repository, const Digest& digest);
    bool delete_tag(std::string_view repository, std::string_view tag);
    std::vector<Referrer> referrers(std::string_view repository, const Digest& subject,
                                    std::string_view artifact_type) const;

    // --- listings, in the order of bytes ---
    /// Nothing where the repository has neither manifests nor blobs.
    std::optional<Listing> tags(std::string_view repository, const Page& page) const;
    Listing repositories(const Page& page) const;
    struct Totals {
        uint64_t repositories = 0, blobs = 0, bytes = 0;
    };
    Totals totals() const;

    // --- collection (catalog_collect.cpp) ---
    /// Uploads that nothing came for since `cutoff_ns`; their rows are gone.
    std::vector<std::string> expire_uploads(int64_t cutoff_ns);
    /// Links whose grace time is over, at most `limit`. The number that went.
    uint64_t expire_links(uint64_t limit);
    /// Manifests (with their tags) and links that were not used since `cutoff_ns`: for a proxy.
    uint64_t expire_cached(int64_t cutoff_ns);
    uint64_t drop_empty_repositories();
    std::vector<TagInfo> all_tags() const;
    /// Deletes the tag if it still points to `digest`; then the manifest too, with what refers to it, unless
    /// another tag or an index needs it.
    bool retire_tag(const TagInfo& tag);
    /// Manifests that no tag, index or subject holds and that are older than `cutoff_ns`.
    uint64_t delete_untagged(std::string_view repository, int64_t cutoff_ns);

  private:
    std::optional<ManifestInfo> used(std::string_view repository, std::optional<ManifestInfo> found,
                                     int64_t last_used_ns);

    std::chrono::nanoseconds grace_, granularity_;
    store::Metadata write_;
    mutable store::Metadata read_;
};

}  // namespace berth::registry::server

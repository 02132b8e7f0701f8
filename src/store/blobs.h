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
#include "store/metadata.h"
#include "sys/byte_stream.h"

/// Content by digest, as files of an OCI image layout (image-layout.md): <root>/blobs/sha256/<hex>. Beside
/// them:
///
///   <root>/ingest/<key>         what is being written; survives its process, so that it can be resumed
///   <root>/ingest/<key>.done    which ranges of it are there
///   <root>/leases/<id>          one locked file for each operation in progress
///   <root>/lock                 shared lock of every process that has the store open
///
/// The life of a blob: ingest (written, hashed) -> synced -> { renamed into blobs/, row inserted } in one
/// transaction, protected by the writer's lease -> referenced by an image (or a registry's manifest) -> lease
/// gone. The collector deletes { row, file } in one transaction where neither a reference nor a live lease
/// protects the blob. So after kill -9 at any point a row has its file, except for unreferenced ones that the
/// next collection (or sole opener of the store) drops, as it does with files that have no row. Safe for
/// several threads and several processes. See docs/store.md.
namespace berth::store {

/// The tables that a BlobStore needs, a migration of the database that it is given; further tables (of
/// layers, of images) may protect more by `lease … REFERENCES leases(id) ON DELETE CASCADE`.
inline constexpr std::string_view kBlobTables = R"sql(
CREATE TABLE blobs (
    digest     TEXT PRIMARY KEY,
    size       INTEGER NOT NULL,
    created_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE leases (
    id         TEXT PRIMARY KEY,
    what       TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lease_blobs (
    lease  TEXT NOT NULL REFERENCES leases(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (digest, lease)
) WITHOUT ROWID;
CREATE INDEX lease_blobs_by_lease ON lease_blobs(lease);
)sql";

struct BlobInfo {
    Digest digest;
    uint64_t size = 0;
    int64_t created_ns = 0;
};

struct Blob {
    UniqueFd fd;  ///< read-only, at offset 0; stays readable when the blob is collected meanwhile
    uint64_t size = 0;
};

/// Half-open byte range.
struct Range {
    uint64_t begin = 0, end = 0;
    bool operator==(const Range&) const = default;
};

struct LeaseState;

/// Protects the blobs and layers that an operation made or found until they are referenced. Ends with the
/// object (and the ingests that were taken with it), or its process. Must not outlive the store.
class [[nodiscard]] Lease {
  public:
    explicit Lease(std::shared_ptr<LeaseState> state);
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) noexcept;
    ~Lease();
    const std::string& id() const;
    /// For those who insert rows that it protects: see leases.h.
    const std::shared_ptr<LeaseState>& state() const { return state_; }

  private:
    std::shared_ptr<LeaseState> state_;
};

/// A blob on its way in; one owner at a time in all processes (a locked file). Destroyed before commit() it
/// stays on disk, to be resumed; discard() removes it. A full disk fails with unavailable (code ENOSPC) and
/// what to do. All members may be called from any thread; must not outlive the store.
class Ingest {
  public:
    virtual ~Ingest() = default;
    /// What is there already, sorted, merged; from an earlier, interrupted ingest too. After a power cut that
    /// may be more than what is on disk: the digest decides, and restart() where it is wrong.
    virtual std::vector<Range> have() const = 0;
    /// Writes at an offset; ranges of different callers must not overlap. Wakes read_prefix().
    /// invalid_argument beyond the size.
    virtual void write_at(uint64_t offset, std::span<const std::byte> data) = 0;
    /// Blocks until there are bytes at `offset` (everything before is there too), then reads some; 0 once the
    /// blob has its whole size (see set_size) and offset is there. Throws what fail() was given.
    virtual size_t read_prefix(uint64_t offset, std::span<std::byte> into) = 0;
    /// The blob's final size, where it was not known at the start. invalid_argument where there is more
    /// already.
    virtual void set_size(uint64_t size) = 0;
    /// Makes waiting and later read_prefix() calls throw `error`.
    virtual void fail(std::exception_ptr error) = 0;
    /// Everything written and what fail() was given is forgotten; ranges start anew (a resumed blob whose
    /// digest came out wrong). Nobody may be in read_prefix() or write_at().
    virtual void restart() = 0;
    /// Syncs, publishes as `digest` (which the caller has verified, or verify = true reads the file again),
    /// protected by the lease. Throws invalid_argument where size or digest are wrong; the ingest can go on
    /// then. After success only the destructor may be called.
    virtual BlobInfo commit(const Digest& digest, bool verify) = 0;
    virtual void discard() = 0;
    /// Bytes in a row from the start.
    virtual uint64_t prefix() const = 0;
};

struct CollectResult {
    uint64_t blobs = 0, bytes = 0;
};

/// Deletes all ingests below `root` that nobody owns: without the database, which a full disk may keep from
/// being opened.
void remove_ingests(const std::string& root);

class BlobStore {
  public:
    /// `metadata` has kBlobTables and outlives this. `referenced` is a SELECT of one column, the digests that
    /// must stay. Where nobody else has the store open it recovers: ends leases, drops rows without file and
    /// files without row; `also` runs then too.
    BlobStore(Metadata& metadata, std::string root, std::string referenced, std::function<void()> also = {});
    ~BlobStore();
    BlobStore(const BlobStore&) = delete;
    BlobStore& operator=(const BlobStore&) = delete;

    Lease lease(std::string what);
    std::optional<BlobInfo> find(const Digest& digest) const;
    /// Throws not_found.
    Blob open(const Digest& digest) const;
    std::string read(const Digest& digest, size_t limit = 16u << 20) const;
    /// Where the blob is here: protects it and gives its size. Else nothing, and the caller brings it.
    std::optional<BlobInfo> protect(Lease& lease, const Digest& digest);
    /// Takes the ingest `key` (a digest's hex digits, an upload's id). Blocks while another owner has it,
    /// until `limit` has passed (nullptr then); whoever may have waited asks protect() again. `size` where it
    /// is known.
    std::unique_ptr<Ingest> ingest(Lease& lease, const std::string& key, std::optional<uint64_t> size,
                                   std::chrono::milliseconds limit);
    /// A small blob at once.
    BlobInfo put(Lease& lease, std::string_view content);

    /// Deletes what nothing protects, a transaction for each few blobs, so that others are held up for
    /// moments only. Ingests that nobody owns and that were not written to for `ingest_age` go too.
    CollectResult collect(std::chrono::seconds ingest_age);
    /// Deletes one blob although it is referenced, unless a lease protects it, or `is_allowed`, which is
    /// asked in the same transaction, says no; whether it did.
    bool drop(const Digest& digest, const std::function<bool(db::Database&)>& is_allowed = {});
    /// Whether there is an ingest of that key; nothing is taken.
    bool has_ingest(const std::string& key) const;
    uint64_t total_bytes() const;
    std::vector<BlobInfo> list() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::store

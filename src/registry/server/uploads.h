// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "async/context.h"
#include "base/digest.h"
#include "registry/server/catalog.h"
#include "store/blobs.h"

/// Blobs on their way in from clients.
///
///   begin ──► open ◄──► receiving ──► { verified, published, linked } ──► gone
///              │            │
///              └─ cancelled, expired, wrong digest ──► gone
///
/// An upload is a row (its repository) and an ingest (its bytes). Both outlive the process; what is kept here
/// is the running hash, which is made again from the bytes where it is not there. What a client was told of
/// as received survives kill -9: each request gives its ingest back, with its ranges saved, before it is
/// answered.
namespace berth::registry::server {

/// The state of one upload between its requests.
struct UploadSession {
    UploadSession(async::Context& context, std::string upload, std::string owner)
        : id(std::move(upload)), repository(std::move(owner)), idle(context) {}

    const std::string id, repository;
    // Of the loop's thread:
    bool busy = false;      ///< a request works on it
    bool ended = false;     ///< completed or cancelled
    uint64_t received = 0;  ///< by the request that works on it
    async::Event idle;      ///< set when a request has ended
    std::chrono::steady_clock::time_point last_used = std::chrono::steady_clock::now();
    // Of whoever has it busy:
    Hasher hasher;
    uint64_t hashed = 0;
};

/// Writes to one upload, in order. Blocking: for the pool, one call at a time.
class UploadWriter {
  public:
    /// Takes the upload's ingest. Reads what is there already where its hash is not known.
    UploadWriter(store::BlobStore& blobs, std::shared_ptr<UploadSession> session);

    uint64_t offset() const { return ingest_->prefix(); }
    /// On a full disk everything that came is dropped.
    void append(std::span<const std::byte> data);
    /// Throws ApiError DIGEST_INVALID unless what came is `digest`; the upload is discarded then.
    void verify(const Digest& digest);
    /// Publishes it, verified; protected until this object ends.
    store::BlobInfo publish(const Digest& digest);
    void discard();

  private:
    uint64_t hash_present(Hasher& hasher);

    std::shared_ptr<UploadSession> session_;
    store::Lease lease_;
    std::unique_ptr<store::Ingest> ingest_;
};

/// Belongs to the loop's thread.
class Uploads {
  public:
    Uploads(async::Context& context, Catalog& catalog, store::BlobStore& blobs)
        : context_(context), catalog_(catalog), blobs_(blobs) {}

    /// Ends the turn of a request.
    class [[nodiscard]] Turn {
      public:
        explicit Turn(Uploads& owner, std::shared_ptr<UploadSession> session)
            : owner_(&owner), session_(std::move(session)) {}
        Turn(Turn&&) noexcept = default;
        Turn& operator=(Turn&&) = delete;
        ~Turn();
        const std::shared_ptr<UploadSession>& session() const { return session_; }
        /// The upload is no more.
        void end() { session_->ended = true; }

      private:
        Uploads* owner_;
        std::shared_ptr<UploadSession> session_;
    };

    /// A new upload's id. With a row: it can be found again.
    async::Task<std::string> begin(std::string repository);
    /// The turn of one that needs no row, since it begins and ends with one request.
    Turn begin_here(std::string repository);
    /// Waits for the turn of this request: one at a time writes. Throws ApiError: BLOB_UPLOAD_UNKNOWN, or 409
    /// where another request does not come to its end.
    async::Task<Turn> take(std::string id, std::string repository);
    /// How far it is; waits for nobody.
    async::Task<uint64_t> progress(std::string id, std::string repository);

    async::Task<std::shared_ptr<UploadWriter>> open(std::shared_ptr<UploadSession> session);

    /// Forgets the hashes of uploads that nothing came for lately.
    void drop_idle(std::chrono::seconds age);
    /// Requests that write to an upload at the moment.
    size_t active() const { return active_; }

  private:
    async::Task<std::shared_ptr<UploadSession>> find(std::string id, std::string repository);
    Turn start_turn(std::shared_ptr<UploadSession> session);

    async::Context& context_;
    Catalog& catalog_;
    store::BlobStore& blobs_;
    std::map<std::string, std::shared_ptr<UploadSession>> sessions_;
    size_t active_ = 0;
};

}  // namespace berth::registry::server

// SPDX-License-Identifier: Apache-2.0
#include "registry/server/uploads.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/strings.h"
#include "registry/server/api_error.h"

namespace berth::registry::server {

namespace {

constexpr std::chrono::seconds kTurnTimeout{15};

bool is_upload_id(std::string_view id) {
    return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

UploadWriter::UploadWriter(store::BlobStore& blobs, std::shared_ptr<UploadSession> session)
    : session_(std::move(session)),
      lease_(blobs.lease("upload to " + session_->repository)),
      ingest_(blobs.ingest(lease_, session_->id, std::nullopt, std::chrono::milliseconds(0))) {
    if (!ingest_) throw ApiError(409, "BLOB_UPLOAD_INVALID", "another process writes to this upload");
    if (session_->hashed == ingest_->prefix()) return;
    session_->hasher = Hasher();
    session_->hashed = hash_present(session_->hasher);
}

uint64_t UploadWriter::hash_present(Hasher& hasher) {
    uint64_t offset = 0, end = ingest_->prefix();
    std::vector<std::byte> buffer(256 << 10);
    while (offset < end) {
        std::span into = std::span(buffer).first(std::min<uint64_t>(buffer.size(), end - offset));
        size_t count = ingest_->read_prefix(offset, into);
        hasher.update(into.first(count));
        offset += count;
    }
    return offset;
}

void UploadWriter::append(std::span<const std::byte> data) {
    try {
        ingest_->write_at(session_->hashed, data);
    } catch (const Error& error) {
        // What fills the disk must not go on doing so until somebody takes the upload up again.
        if (error.code() == ENOSPC || error.code() == EDQUOT) discard();
        throw;
    }
    session_->hasher.update(data);
    session_->hashed += data.size();
}

void UploadWriter::verify(const Digest& digest) {
    Hasher& hasher = session_->hasher;
    Digest found = hasher.finish();
    uint64_t size = session_->hashed;
    session_->hashed = 0;
    if (digest.algorithm() != found.algorithm()) {
        // The running hash is SHA-256; another algorithm means reading the file once more.
        Hasher other(digest.algorithm());
        hash_present(other);
        found = other.finish();
    }
    ingest_->set_size(size);
    if (found == digest) return;
    discard();
    throw digest_invalid(digest.text(), "the content's digest is " + found.text());
}

store::BlobInfo UploadWriter::publish(const Digest& digest) {
    return ingest_->commit(digest, false);
}

void UploadWriter::discard() {
    ingest_->discard();
    session_->hashed = 0;
}

Uploads::Turn::~Turn() {
    if (!session_) return;
    --owner_->active_;
    session_->busy = false;
    session_->last_used = std::chrono::steady_clock::now();
    session_->idle.set();
    if (session_->ended) owner_->sessions_.erase(session_->id);
}

Uploads::Turn Uploads::start_turn(std::shared_ptr<UploadSession> session) {
    session->busy = true;
    session->idle.reset();
    ++active_;
    return Turn(*this, std::move(session));
}

async::Task<std::string> Uploads::begin(std::string repository) {
    std::string id = random_hex(16);
    auto record = [&] { catalog_.begin_upload(id, repository); };
    co_await async::run_blocking(record);
    sessions_.emplace(id, std::make_shared<UploadSession>(context_, id, repository));
    co_return id;
}

Uploads::Turn Uploads::begin_here(std::string repository) {
    return start_turn(std::make_shared<UploadSession>(context_, random_hex(16), std::move(repository)));
}

async::Task<std::shared_ptr<UploadSession>> Uploads::find(std::string id, std::string repository) {
    if (!is_upload_id(id)) throw upload_unknown(id);
    auto known = sessions_.find(id);
    if (known == sessions_.end()) {
        auto look_up = [&] { return catalog_.find_upload(id); };
        std::optional<UploadInfo> row = co_await async::run_blocking(look_up);
        if (!row) throw upload_unknown(id);
        auto session = std::make_shared<UploadSession>(context_, id, row->repository);
        known = sessions_.emplace(id, std::move(session)).first;
    }
    if (known->second->repository != repository) throw upload_unknown(id);
    co_return known->second;
}

async::Task<Uploads::Turn> Uploads::take(std::string id, std::string repository) {
    std::shared_ptr<UploadSession> session = co_await find(id, repository);
    bool stuck = false;
    try {
        while (session->busy) {
            async::Task<void> turn = session->idle.wait();
            co_await async::with_timeout(kTurnTimeout, "waiting for the upload", std::move(turn));
        }
    } catch (const Error& error) {
        stuck = error.kind() == ErrorKind::unavailable;
        if (!stuck) throw;
    }
    if (stuck) throw ApiError(409, "BLOB_UPLOAD_INVALID", "another request is still writing to this upload");
    if (session->ended) throw upload_unknown(id);
    co_return start_turn(std::move(session));
}

async::Task<uint64_t> Uploads::progress(std::string id, std::string repository) {
    std::shared_ptr<UploadSession> session = co_await find(id, repository);
    if (session->busy) co_return session->received;
    if (session->hashed > 0) co_return session->hashed;
    Turn turn = start_turn(session);
    std::shared_ptr<UploadWriter> writer = co_await open(session);
    auto offset = [&] {
        uint64_t prefix = writer->offset();
        writer.reset();
        return prefix;
    };
    co_return co_await async::run_blocking(offset);
}

async::Task<std::shared_ptr<UploadWriter>> Uploads::open(std::shared_ptr<UploadSession> session) {
    auto make = [&blobs = blobs_, session] { return std::make_shared<UploadWriter>(blobs, session); };
    co_return co_await async::run_blocking(make);
}

void Uploads::drop_idle(std::chrono::seconds age) {
    auto oldest = std::chrono::steady_clock::now() - age;
    std::erase_if(sessions_,
                  [&](const auto& entry) { return !entry.second->busy && entry.second->last_used < oldest; });
}

}  // namespace berth::registry::server

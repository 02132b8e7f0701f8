// SPDX-License-Identifier: Apache-2.0
#include "registry/server/blob_fetch.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "store/space.h"
#include "sys/file.h"

namespace berth::registry::server {

void BlobFetch::open(store::BlobStore& blobs, const std::string& root) {
    std::string key(digest.hex());
    lease_.emplace(blobs.lease("fetch of " + digest.text()));
    ingest_ = blobs.ingest(*lease_, key, std::nullopt, std::chrono::seconds(30));
    if (!ingest_) throw Error(ErrorKind::unavailable, "another process fetches " + digest.text());
    file = sys::open_file(root + "/ingest/" + key, O_RDONLY);
    hasher_.emplace(digest.algorithm());
    std::vector<std::byte> buffer(256 << 10);
    for (uint64_t end = ingest_->prefix(); written < end;) {
        std::span into = std::span(buffer).first(std::min<uint64_t>(buffer.size(), end - written));
        size_t count = ingest_->read_prefix(written, into);
        hasher_->update(into.first(count));
        written += count;
    }
}

void BlobFetch::append(std::span<const std::byte> data) {
    try {
        ingest_->write_at(written, data);
    } catch (const Error& error) {
        // What fills the disk must not go on doing so until somebody asks for the blob again.
        if (store::is_out_of_space(error)) ingest_->discard();
        throw;
    }
    hasher_->update(data);
    written += data.size();
}

void BlobFetch::restart() {
    ingest_->restart();
    hasher_.emplace(digest.algorithm());
    written = 0;
}

store::BlobInfo BlobFetch::commit() {
    ingest_->set_size(written);
    if (Digest found = hasher_->finish(); found != digest) {
        ingest_->discard();
        throw make_error(ErrorKind::unavailable, "the upstream's blob {} has the digest {}", digest.text(),
                         found.text());
    }
    return ingest_->commit(digest, false);
}

}  // namespace berth::registry::server

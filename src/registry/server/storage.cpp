// SPDX-License-Identifier: Apache-2.0
#include "registry/server/storage.h"

#include <fcntl.h>
#include <unistd.h>

#include <span>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::registry::server {

namespace {

constexpr uint64_t kLinksAtOnce = 500;

/// Before SQLite is, whose errors don't say what is wrong with a folder.
const std::string& writable_root(const std::string& root) {
    with_context("registry root", [&] {
        sys::make_dirs(root, 0700);
        sys::check(::access(root.c_str(), W_OK | X_OK), root);
    });
    return root;
}

int64_t before(std::chrono::seconds age) {
    return now_ns() - std::chrono::nanoseconds(age).count();
}

}  // namespace

Storage::Storage(const std::string& root, std::chrono::seconds grace)
    : catalog(writable_root(root), grace),
      blobs(catalog.metadata(), root, std::string(Catalog::kReferenced)) {
    for (const Digest& digest : catalog.linked()) {
        if (blobs.find(digest)) continue;
        uint64_t rows = forget(digest);
        log::warning("the content of {} is lost: {} links and manifests dropped", digest.text(), rows);
    }
}

uint64_t Storage::forget(const Digest& digest) {
    blobs.drop(digest);
    return catalog.forget(digest);
}

void put_content(store::BlobStore& blobs, store::Lease& lease, const Digest& digest,
                 std::string_view content) {
    if (digest.algorithm() == "sha256") {
        blobs.put(lease, content);
        return;
    }
    auto ingest = blobs.ingest(lease, random_hex(16), content.size(), std::chrono::milliseconds(0));
    if (!ingest) throw Error(ErrorKind::internal, "a new ingest has another owner");
    ingest->write_at(0, std::as_bytes(std::span(content.data(), content.size())));
    ingest->commit(digest, false);
}

CollectionResult collect(Storage& storage, const CollectionRules& rules) {
    CollectionResult result;
    Catalog& catalog = storage.catalog;
    result.uploads = catalog.expire_uploads(before(rules.upload_expiry)).size();
    result.tags = apply_retention(catalog, rules.retention, now_ns());
    if (rules.keep_cached) result.manifests = catalog.expire_cached(before(*rules.keep_cached));
    while (uint64_t count = catalog.expire_links(kLinksAtOnce)) result.links += count;
    catalog.drop_empty_repositories();
    store::CollectResult collected = storage.blobs.collect(rules.upload_expiry);
    result.blobs = collected.blobs;
    result.bytes = collected.bytes;
    return result;
}

}  // namespace berth::registry::server

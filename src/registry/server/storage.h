// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/server/catalog.h"
#include "registry/server/metrics.h"
#include "registry/server/retention.h"
#include "store/blobs.h"

namespace berth::registry::server {

/// The catalogue and the content of one root, open. Thread-safe; several processes may have one open.
struct Storage {
    /// Makes the root where absent. Drops links and manifests whose content is lost. Throws with the root's
    /// path.
    Storage(const std::string& root, std::chrono::seconds grace);

    /// Content that the catalogue knows is not there: everything that says so goes, so that the next push
    /// brings it. The rows that went.
    uint64_t forget(const Digest& digest);

    Catalog catalog;
    store::BlobStore blobs;
};

/// A manifest's content, as `digest`, which is that of `content`.
void put_content(store::BlobStore& blobs, store::Lease& lease, const Digest& digest,
                 std::string_view content);

/// What goes at a collection besides what nothing refers to.
struct CollectionRules {
    std::vector<RetentionRule> retention;
    std::chrono::seconds upload_expiry{0};
    /// For a proxy: what nobody asked for during this time.
    std::optional<std::chrono::seconds> keep_cached;
};

/// One collection, beside requests in progress and other processes. Blocking.
CollectionResult collect(Storage& storage, const CollectionRules& rules);

}  // namespace berth::registry::server

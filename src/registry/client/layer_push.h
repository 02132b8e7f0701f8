// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "registry/client/layer_pull.h"

namespace berth::registry {

/// What the layers of one image share while it is pushed. Outlives their coroutines.
struct PushJob {
    Client::State& client;
    store::Store& store;
    Repository& repository;
    spec::Reference target;
    ProgressSink progress;
    store::Compression compression = store::Compression::gzip;
    bool oci = false;         ///< media types of what is made here
    bool keep_plain = false;  ///< uncompressed blobs go out as they are, for the sake of the image's manifest
    std::optional<store::Lease> lease = std::nullopt;

    void tell(Progress told) const {
        if (progress) progress(told);
    }
};

struct PushLayer {
    size_t number = 0, count = 0;
    Digest diff_id, chain_id;  ///< empty for an artifact's
    spec::Descriptor known;    ///< as it came, if it came compressed
    spec::Descriptor pushed;   ///< what the registry has in the end

    std::string id() const { return std::string((diff_id.empty() ? known.digest : diff_id).short_hex()); }
};

/// The media type of a layer; zstd has none in Docker's manifests.
std::string_view layer_media_type(store::Compression compression, bool oci);

/// Sees to it that the registry has the layer, in the cheapest way that works: it is there; it is mounted
/// from another repository of the same registry; its compressed blob is uploaded byte for byte; it is
/// compressed anew from the layer's folder (and kept as a blob), then uploaded. Sets `pushed`.
async::Task<void> push_layer(PushJob& job, PushLayer& layer);

/// Uploads a blob of the store unless the registry has it.
async::Task<void> push_blob(PushJob& job, spec::Descriptor descriptor);

}  // namespace berth::registry

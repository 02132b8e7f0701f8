// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "async/context.h"
#include "build/cache/cache.h"
#include "build/progress/progress.h"
#include "registry/client/client.h"
#include "spec/api/build.h"

/// --cache-from and --cache-to. What travels is a list of results and the layers' blobs, in an OCI layout or
/// a registry:
///
///   manifest   config: application/vnd.berth.build.cache.v1+json, layers: the blobs (gzip or zstd)
///   config     {"version":1,"steps":[{"key","parent","diff_id","created","layer":index|null,"description"}],
///               "mounts":[{"id","layer":index}]}
///   inline     the same list, as annotation "io.berth.build.cache.v1" of the image's own manifest, whose
///              layers the steps have
///
/// type=registry,ref=x[,mode=min|max][,compression=…][,mounts=id1:id2]; type=local,src=/dest= (a folder of
/// the client's, over the session); type=inline. mode=min: the steps of the image's own layers. gha, s3 and
/// azblob are refused (not_implemented), as is what was written by BuildKit, with a sentence.
namespace berth::build {

/// The steps of an imported cache are put with `remote`: a key that hits costs nothing until the layer is
/// needed. An import that fails is a warning of its vertex ("importing cache manifest from x"), never the
/// build's end.
async::Task<void> import_cache(Cache& cache, registry::Client& client, const store::Store& store,
                               spec::api::BuildExport from, registry::CredentialSource credentials,
                               VertexProgress progress);

/// Brings a remote step's layer (and those below) into the store, protected by the lease. Layers of one chain
/// come at the same time. unavailable: then the step is run.
async::Task<void> fetch_layers(Cache& cache, registry::Client& client, store::Store& store,
                               store::Lease& lease, std::vector<CachedStep> chain,
                               registry::CredentialSource credentials, VertexProgress progress);

struct CacheExport {
    spec::api::BuildExport to;
    std::vector<CachedStep> steps;  ///< of the images, or (mode=max) of all vertices that were solved
};
/// Blobs are made where there are none (Store::write_layer, compressed), mounted or skipped where the
/// registry has them.
async::Task<void> export_cache(Cache& cache, registry::Client& client, store::Store& store,
                               store::Lease& lease, CacheExport request,
                               registry::CredentialSource credentials, VertexProgress progress);
/// The annotation's value; invalid_argument for what is none.
std::string encode_inline_cache(const std::vector<CachedStep>& steps);
std::vector<CachedStep> decode_inline_cache(std::string_view text, const std::vector<Digest>& diff_ids);

}  // namespace berth::build

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "registry/client/layer_push.h"

namespace berth::registry {

/// Pushes the image that `reference` (with a tag) names here. The manifest goes out byte for byte where all
/// of its layers do; else a new one is made, of the same kind (OCI or Docker; with zstd always OCI).
async::Task<PushResult> push_image(Client::State& client, store::Store& store, spec::Reference reference,
                                   Authorizer::Lookup credentials, PushOptions options);

/// The tags of a repository that are here, sorted; not_found "An image does not exist locally with the tag:
/// x" without any.
std::vector<spec::Reference> local_tags(const store::Store& store, const spec::Reference& repository);

}  // namespace berth::registry

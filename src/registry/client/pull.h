// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "registry/client/layer_pull.h"

namespace berth::registry {

/// One image: `reference` has a tag or a digest (which counts where there are both). See
/// docs/registry-client.md.
async::Task<PullResult> pull_image(Client::State& client, store::Store& store, spec::Reference reference,
                                   Authorizer::Lookup credentials, PullOptions options);

/// What a name leads to, in the words of Docker where it is refused.
async::Task<ManifestContent> resolve_manifest(Repository& repository, spec::Reference reference);

/// "latest", or "sha256:…".
std::string tag_or_digest(const spec::Reference& reference);

/// The last line of a pull; with all_tags there is one for all, with the repository's name.
std::string pull_status(bool up_to_date, const spec::Reference& reference);

/// The Error that a registry's refusal becomes: "pull access denied for x, repository does not exist or may
/// require 'docker login': …", "manifest for x:y not found: …", "repository x not found: …"; others with
/// "pulling x:y".
Error pull_error(const ResponseError& error, const spec::Reference& reference);

}  // namespace berth::registry

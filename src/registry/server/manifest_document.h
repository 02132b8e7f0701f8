// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "registry/server/catalog.h"

namespace berth::registry::server {

/// The largest manifest that is taken (OCI distribution-spec, "Pushing Manifests").
inline constexpr size_t kMaxManifest = 4u << 20;

/// Reads a manifest or index that a client pushed as `content_type` (may be empty) with `digest`. Throws
/// ApiError MANIFEST_INVALID.
Manifest read_manifest(std::string_view content_type, std::string_view text, const Digest& digest);

/// How a client's Accept fields see a media type. No field, "*/*", "application/*" and "application/json"
/// take all.
class Accepted {
  public:
    explicit Accepted(const std::vector<std::string_view>& fields);
    bool takes(std::string_view media_type) const;

  private:
    bool all_ = true;
    std::vector<std::string> types_;
};

}  // namespace berth::registry::server

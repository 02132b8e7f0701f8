// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace berth::registry::server {

/// What a path names (OCI distribution-spec, "Endpoints"; the rest is ours).
enum class RouteKind {
    none,
    base,       ///< /v2/
    blob,       ///< /v2/<name>/blobs/<digest>
    uploads,    ///< /v2/<name>/blobs/uploads/
    upload,     ///< /v2/<name>/blobs/uploads/<id>
    manifest,   ///< /v2/<name>/manifests/<tag or digest>
    tags,       ///< /v2/<name>/tags/list
    referrers,  ///< /v2/<name>/referrers/<digest>
    catalog,    ///< /v2/_catalog
    token,      ///< /token
    metrics,    ///< /metrics
    health,     ///< /healthz
};

std::string_view to_string(RouteKind endpoint);

struct Route {
    RouteKind kind = RouteKind::none;
    std::string repository;  ///< as it came: whoever uses it checks it first
    std::string reference;   ///< tag, digest or upload id, unchecked
};

/// `path` is decoded and without query. A repository's name may have components like "blobs" or "tags": the
/// last ones of the path tell the endpoint.
Route parse_route(std::string_view path);

}  // namespace berth::registry::server

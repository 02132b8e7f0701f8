// SPDX-License-Identifier: Apache-2.0
#include "registry/server/route.h"

namespace berth::registry::server {

namespace {

/// Takes what follows the last '/' off `path`; all of it where there is none.
std::string_view take_last(std::string_view& path) {
    size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) {
        std::string_view last = path;
        path = {};
        return last;
    }
    std::string_view last = path.substr(slash + 1);
    path = path.substr(0, slash);
    return last;
}

Route route(RouteKind endpoint, std::string_view repository, std::string_view reference = {}) {
    return {endpoint, std::string(repository), std::string(reference)};
}

Route parse_repository_route(std::string_view path) {
    std::string_view rest = path;
    std::string_view last = take_last(rest);
    std::string_view before = rest;
    std::string_view kind = take_last(before);
    if (kind == "uploads") {
        std::string_view name = before;
        if (take_last(name) == "blobs" && !name.empty())
            return route(last.empty() ? RouteKind::uploads : RouteKind::upload, name, last);
    }
    if (before.empty() || last.empty()) return {};
    if (kind == "blobs") return route(last == "uploads" ? RouteKind::uploads : RouteKind::blob, before, last);
    if (kind == "manifests") return route(RouteKind::manifest, before, last);
    if (kind == "referrers") return route(RouteKind::referrers, before, last);
    if (kind == "tags" && last == "list") return route(RouteKind::tags, before);
    return {};
}

}  // namespace

std::string_view to_string(RouteKind endpoint) {
    switch (endpoint) {
        case RouteKind::none: return "none";
        case RouteKind::base: return "base";
        case RouteKind::blob: return "blob";
        case RouteKind::uploads: return "uploads";
        case RouteKind::upload: return "upload";
        case RouteKind::manifest: return "manifest";
        case RouteKind::tags: return "tags";
        case RouteKind::referrers: return "referrers";
        case RouteKind::catalog: return "catalog";
        case RouteKind::token: return "token";
        case RouteKind::metrics: return "metrics";
        case RouteKind::health: return "health";
    }
    return "none";
}

Route parse_route(std::string_view path) {
    if (path == "/v2/" || path == "/v2") return route(RouteKind::base, {});
    if (path == "/v2/_catalog") return route(RouteKind::catalog, {});
    if (path == "/token") return route(RouteKind::token, {});
    if (path == "/metrics") return route(RouteKind::metrics, {});
    if (path == "/healthz" || path == "/") return route(RouteKind::health, {});
    if (!path.starts_with("/v2/")) return {};
    return parse_repository_route(path.substr(4));
}

}  // namespace berth::registry::server

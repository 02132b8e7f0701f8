// SPDX-License-Identifier: Apache-2.0
#include "registry/server/route.h"

#include <gtest/gtest.h>

namespace berth::registry::server {

namespace {

void expect_route(std::string_view path, RouteKind kind, std::string_view repository,
                  std::string_view reference) {
    Route route = parse_route(path);
    EXPECT_EQ(to_string(route.kind), to_string(kind)) << path;
    EXPECT_EQ(route.repository, repository) << path;
    EXPECT_EQ(route.reference, reference) << path;
}

TEST(Route, FindsTheEndpoints) {
    expect_route("/v2/", RouteKind::base, "", "");
    expect_route("/v2", RouteKind::base, "", "");
    expect_route("/v2/_catalog", RouteKind::catalog, "", "");
    expect_route("/v2/a/b/manifests/latest", RouteKind::manifest, "a/b", "latest");
    expect_route("/v2/a/blobs/sha256:00", RouteKind::blob, "a", "sha256:00");
    expect_route("/v2/a/blobs/uploads/", RouteKind::uploads, "a", "");
    expect_route("/v2/a/blobs/uploads", RouteKind::uploads, "a", "uploads");
    expect_route("/v2/a/blobs/uploads/0123", RouteKind::upload, "a", "0123");
    expect_route("/v2/a/tags/list", RouteKind::tags, "a", "");
    expect_route("/v2/a/referrers/sha256:00", RouteKind::referrers, "a", "sha256:00");
    expect_route("/metrics", RouteKind::metrics, "", "");
    expect_route("/token", RouteKind::token, "", "");
}

TEST(Route, RepositoriesMayBeCalledLikeEndpoints) {
    expect_route("/v2/blobs/uploads/manifests/tags", RouteKind::manifest, "blobs/uploads", "tags");
    expect_route("/v2/tags/list/tags/list", RouteKind::tags, "tags/list", "");
    expect_route("/v2/manifests/manifests/manifests", RouteKind::manifest, "manifests", "manifests");
    expect_route("/v2/a/uploads/blobs/uploads/x", RouteKind::upload, "a/uploads", "x");
}

TEST(Route, RefusesTheRest) {
    for (const char* path : {"", "/x", "/v2/a", "/v2/a/b", "/v2/manifests/x", "/v2/blobs/uploads/",
                             "/v2/tags/list", "/v2/a/manifests/", "/v1/a/manifests/x", "/v2//manifests/"})
        EXPECT_EQ(to_string(parse_route(path).kind), "none") << path;
}

}  // namespace

}  // namespace berth::registry::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "http/server.h"
#include "registry/server/authenticator.h"
#include "registry/server/metrics.h"
#include "registry/server/proxy.h"
#include "registry/server/route.h"
#include "registry/server/server.h"
#include "registry/server/storage.h"
#include "registry/server/uploads.h"

namespace berth::registry::server {

/// What the handlers of requests share. Of the loop's thread, but for `storage`.
struct Service {
    Service(async::Context& context, ServerConfig config);

    async::Context& context;
    const ServerConfig config;
    Storage storage;
    Metrics metrics;
    Uploads uploads;
    std::optional<Authenticator> authenticator;  ///< nothing: everybody may do everything
    std::unique_ptr<Proxy> proxy;                ///< nothing: no upstream
    std::vector<RetentionRule> retention;
    /// Of what owns this: held by work that goes on after its request.
    std::weak_ptr<void> owner;
};

// One handler for each endpoint; they throw ApiError. `route.repository` is valid.
async::Task<void> serve_blob(Service& service, const Route& route, http::Request& request,
                             http::Response& response);
async::Task<void> serve_uploads(Service& service, const Route& route, http::Request& request,
                                http::Response& response);
async::Task<void> serve_upload(Service& service, const Route& route, http::Request& request,
                               http::Response& response);
async::Task<void> serve_manifest(Service& service, const Route& route, http::Request& request,
                                 http::Response& response);
async::Task<void> serve_tags(Service& service, const Route& route, http::Request& request,
                             http::Response& response);
async::Task<void> serve_catalog(Service& service, http::Request& request, http::Response& response);
async::Task<void> serve_referrers(Service& service, const Route& route, http::Request& request,
                                  http::Response& response);

/// Throws ApiError 400 DIGEST_INVALID.
Digest parse_digest(std::string_view text);
/// 405 with Allow.
ApiError method_not_allowed(std::string_view allowed);

}  // namespace berth::registry::server

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "base/digest.h"
#include "http/server.h"
#include "registry/client/authorizer.h"
#include "registry/client/client.h"
#include "registry/client/endpoints.h"
#include "registry/client/transport.h"
#include "registry/server/catalog.h"
#include "registry/server/server.h"
#include "store/blobs.h"

namespace berth::registry::server {

struct BlobFetch;

/// The upstream of a pull-through cache. What it brings is recorded like what clients push, so that what is
/// here is served without it. Tags are asked for each time; where the upstream does not answer, the one here
/// counts. Belongs to the loop's thread.
class Proxy {
  public:
    Proxy(async::Context& context, const ServerConfig& config, Catalog& catalog, store::BlobStore& blobs);
    ~Proxy();

    /// Docker Hub's own images lie in "library/"; everything else is called as it is.
    std::string upstream_name(std::string repository) const;

    /// Brings the manifest, unless the present one is here. Throws ApiError where there is none, or where the
    /// upstream does not answer and it is not here.
    async::Task<void> bring_manifest(std::string repository, std::string reference);
    /// Answers with a blob that is not here, while it is being stored; however many ask, it is fetched once.
    /// True where it turned out to be here, with a link now: then nothing was answered.
    /// `owner` owns this and its storage: the fetch holds it, since it may go on after the request and the
    /// server.
    async::Task<bool> serve_blob(std::shared_ptr<void> owner, std::string repository, Digest digest,
                                 http::Request& request, http::Response& response);
    /// The upstream's, or nothing where it does not answer.
    async::Task<std::optional<Listing>> tags(std::string repository, Page page);
    async::Task<std::optional<std::string>> referrers(std::string repository, Digest subject,
                                                      std::string artifact_type);

  private:
    async::Task<Answer> ask(std::string method, std::string repository, std::string rest,
                            http::Headers headers);
    /// The answer's body, or nothing where the upstream does not answer as it should or has no such thing.
    async::Task<std::optional<std::string>> read(std::string repository, std::string rest,
                                                 http::Headers& fields);
    async::Task<void> revalidate_tag(std::string repository, std::string tag);
    async::Task<void> fetch_manifest(std::string repository, std::string reference, std::string tag);
    std::shared_ptr<BlobFetch> running_fetch(const Digest& digest) const;
    async::Task<bool> link_present(std::string repository, Digest digest);
    async::Task<void> head_blob(std::string repository, Digest digest, http::Response& response);
    async::Task<void> run(std::shared_ptr<void> owner, std::shared_ptr<BlobFetch> fetch);
    async::Task<void> download(std::shared_ptr<BlobFetch> fetch);
    /// One answer's bytes; ends where the connection does.
    async::Task<void> download_some(std::shared_ptr<BlobFetch> fetch);
    async::Task<void> follow(std::shared_ptr<BlobFetch> fetch, http::Request& request,
                             http::Response& response);

    async::Context& context_;
    Catalog& catalog_;
    store::BlobStore& blobs_;
    const std::string root_;
    const http::Url upstream_;
    const ClientConfig client_config_;
    const Endpoints endpoints_;
    Transport transport_;
    Authorizer authorizer_;
    std::map<Digest, std::shared_ptr<BlobFetch>> fetches_;
    /// Until then the upstream is not asked for what is here.
    std::chrono::steady_clock::time_point down_until_;
};

}  // namespace berth::registry::server

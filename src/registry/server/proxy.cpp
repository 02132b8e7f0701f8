// SPDX-License-Identifier: Apache-2.0
#include "registry/server/proxy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "registry/server/api_error.h"
#include "registry/server/manifest_document.h"
#include "registry/server/storage.h"
#include "spec/image.h"

namespace berth::registry::server {

namespace {

constexpr std::chrono::seconds kDownFor{10};
constexpr size_t kMaxAnswer = 8u << 20;

ClientConfig client_config(const http::Url& upstream) {
    ClientConfig config;
    // The scheme is what the operator wrote: plain HTTP to where it says so, and nowhere else.
    if (upstream.scheme == "http") config.insecure_registries.push_back(upstream.authority());
    config.max_attempts = 3;
    return config;
}

http::Url upstream_url(const std::string& text) {
    http::Url url = with_context("--proxy", [&] { return http::Url::parse(text); });
    if (url.scheme != "http" && url.scheme != "https")
        throw make_error(ErrorKind::invalid_argument, "--proxy: {} is neither http nor https", text);
    if (url.host == "docker.io" || url.host == "index.docker.io") url.host = "registry-1.docker.io";
    while (url.target.ends_with('/')) url.target.pop_back();
    return url;
}

Authorizer::Lookup lookup(const ServerConfig& config, const http::Url& url) {
    spec::Credentials credentials;
    credentials.username = config.proxy_username.empty() ? url.user : config.proxy_username;
    credentials.password = config.proxy_username.empty() ? url.password : config.proxy_password;
    return [credentials](const std::string&) -> std::optional<spec::Credentials> {
        if (credentials.empty()) return std::nullopt;
        return credentials;
    };
}

std::string manifest_types() {
    return fmt::format("{}, {}, {}, {}", spec::media::kOciIndex, spec::media::kDockerList,
                       spec::media::kOciManifest, spec::media::kDockerManifest);
}

/// Whether the upstream said that there is no such thing (or not for us, which it may say instead).
bool says_unknown(int status) {
    return status == 404 || status == 401 || status == 403;
}

ApiError upstream_down() {
    return ApiError(503, "UNAVAILABLE", "the upstream registry does not answer");
}

}  // namespace

Proxy::Proxy(async::Context& context, const ServerConfig& config, Catalog& catalog, store::BlobStore& blobs)
    : context_(context),
      catalog_(catalog),
      blobs_(blobs),
      root_(config.root),
      upstream_(upstream_url(config.proxy_url)),
      client_config_(client_config(upstream_)),
      endpoints_(client_config_),
      transport_(context, client_config_, endpoints_),
      authorizer_(transport_, upstream_, upstream_.authority(), lookup(config, upstream_)) {}

Proxy::~Proxy() = default;

std::string Proxy::upstream_name(std::string repository) const {
    if (upstream_.host.ends_with("docker.io") && repository.find('/') == std::string::npos)
        return "library/" + repository;
    return repository;
}

async::Task<Answer> Proxy::ask(std::string method, std::string repository, std::string rest,
                               http::Headers headers) {
    Call call;
    call.request.method = std::move(method);
    call.request.url = upstream_;
    call.request.url.user.clear();
    call.request.url.password.clear();
    call.request.url.target = fmt::format("{}/v2/{}/{}", upstream_.target, repository, rest);
    call.request.headers = std::move(headers);
    call.authorizer = &authorizer_;
    call.scope = fmt::format("repository:{}:pull", repository);
    call.attempts = 2;
    try {
        Answer answer = co_await transport_.send(std::move(call));
        co_return answer;
    } catch (const Error& error) {
        // That the upstream does not take our password is not for our clients to mend.
        if (error.kind() == ErrorKind::unavailable) throw;
        throw Error(ErrorKind::unavailable, error.what());
    }
}

async::Task<void> Proxy::bring_manifest(std::string repository, std::string reference) {
    auto digest = Digest::try_parse(reference);
    if (!digest) {
        co_await revalidate_tag(std::move(repository), std::move(reference));
        co_return;
    }
    auto find = [&] { return catalog_.find_manifest(repository, *digest).has_value(); };
    if (co_await async::run_blocking(find)) co_return;
    co_await fetch_manifest(repository, reference, {});
}

async::Task<void> Proxy::revalidate_tag(std::string repository, std::string tag) {
    auto find = [&] { return catalog_.find_tag(repository, tag); };
    std::optional<ManifestInfo> here = co_await async::run_blocking(find);
    if (here && std::chrono::steady_clock::now() < down_until_) co_return;
    int status = 0;
    std::optional<Digest> digest;
    try {
        http::Headers headers{{"Accept", manifest_types()}};
        Answer answer = co_await ask("HEAD", repository, "manifests/" + tag, std::move(headers));
        status = answer.status();
        digest = Digest::try_parse(answer.response->headers.get("Docker-Content-Digest"));
        co_await drain(*answer.response);
    } catch (const Error& error) {
        log::warning("upstream {}: {}", upstream_.authority(), error.what());
    }
    if (says_unknown(status)) {
        auto forget = [&] { catalog_.delete_tag(repository, tag); };
        co_await async::run_blocking(forget);
        throw manifest_unknown(repository, tag);
    }
    if (status != 200) {
        down_until_ = std::chrono::steady_clock::now() + kDownFor;
        if (!here) throw upstream_down();
        co_return;
    }
    if (digest && here && *digest == here->digest) co_return;
    if (digest) {
        auto point = [&] {
            if (!catalog_.find_manifest(repository, *digest)) return false;
            catalog_.put_tag(repository, tag, *digest);
            return true;
        };
        if (co_await async::run_blocking(point)) co_return;
    }
    // By digest, so that what is recorded is what the HEAD told; the tag may move in between.
    std::string reference = tag;
    if (digest) reference = digest->text();
    co_await fetch_manifest(std::move(repository), std::move(reference), std::move(tag));
}

async::Task<void> Proxy::fetch_manifest(std::string repository, std::string reference, std::string tag) {
    int status = 0;
    std::string content, media_type;
    try {
        http::Headers headers{{"Accept", manifest_types()}};
        Answer answer = co_await ask("GET", repository, "manifests/" + reference, std::move(headers));
        status = answer.status();
        if (status == 200) {
            media_type = answer.response->headers.get("Content-Type");
            content = co_await answer.response->read_all(kMaxManifest);
        }
    } catch (const Error& error) {
        status = 0;
        log::warning("upstream {}: {}", upstream_.authority(), error.what());
    }
    if (says_unknown(status)) throw manifest_unknown(repository, reference);
    if (status != 200) throw upstream_down();
    auto wanted = Digest::try_parse(reference);
    Hasher hasher(wanted ? wanted->algorithm() : "sha256");
    hasher.update(content);
    Digest digest = hasher.finish();
    if (wanted && *wanted != digest)
        throw ApiError(502, "UNKNOWN",
                       "the upstream's manifest does not have the digest that it was asked for by");
    Manifest manifest = read_manifest(media_type, content, digest);
    auto record = [&] {
        store::Lease lease = blobs_.lease("manifest of " + repository);
        put_content(blobs_, lease, digest, content);
        catalog_.put_manifest(repository, manifest, tag, false);
    };
    co_await async::run_blocking(record);
}

async::Task<std::optional<std::string>> Proxy::read(std::string repository, std::string rest,
                                                    http::Headers& fields) {
    std::optional<std::string> body;
    int status = 0;
    try {
        Answer answer = co_await ask("GET", repository, rest, {});
        status = answer.status();
        fields = answer.response->headers;
        if (status == 200) body = co_await answer.response->read_all(kMaxAnswer);
    } catch (const Error& error) {
        log::warning("upstream {}: {}", upstream_.authority(), error.what());
    }
    co_return body;
}

async::Task<std::optional<Listing>> Proxy::tags(std::string repository, Page page) {
    http::Headers fields;
    std::string rest = "tags/list";
    if (page.limit) rest += fmt::format("?n={}", *page.limit);
    if (page.last) rest += fmt::format("{}last={}", page.limit ? '&' : '?', http::percent_encode(*page.last));
    std::optional<std::string> body = co_await read(std::move(repository), std::move(rest), fields);
    if (!body) co_return std::nullopt;
    Listing listing;
    listing.more = fields.find("Link").has_value();
    json::Value document = json::parse(*body);
    const json::Object* object = document.if_object();
    const json::Value* tags = object == nullptr ? nullptr : object->if_contains("tags");
    if (tags != nullptr && tags->is_array())
        for (const json::Value& tag : tags->as_array())
            if (tag.is_string()) listing.names.emplace_back(tag.as_string());
    // Not every registry cuts into pages.
    std::sort(listing.names.begin(), listing.names.end());
    if (page.last) std::erase_if(listing.names, [&](const std::string& name) { return name <= *page.last; });
    if (page.limit && listing.names.size() > *page.limit) {
        listing.names.resize(*page.limit);
        listing.more = true;
    }
    co_return listing;
}

async::Task<std::optional<std::string>> Proxy::referrers(std::string repository, Digest subject,
                                                         std::string artifact_type) {
    http::Headers fields;
    std::optional<std::string> body =
        co_await read(std::move(repository), "referrers/" + subject.text(), fields);
    if (!body || artifact_type.empty()) co_return body;
    json::Value document = json::parse(*body);
    json::Object* object = document.if_object();
    json::Value* entries = object == nullptr ? nullptr : object->if_contains("manifests");
    if (entries == nullptr || !entries->is_array()) co_return std::nullopt;
    json::Array kept;
    for (const json::Value& entry : entries->as_array()) {
        const json::Object* descriptor = entry.if_object();
        const json::Value* type = descriptor == nullptr ? nullptr : descriptor->if_contains("artifactType");
        if (type != nullptr && *type == json::Value(artifact_type)) kept.push_back(entry);
    }
    *entries = std::move(kept);
    co_return json::print(document);
}

}  // namespace berth::registry::server

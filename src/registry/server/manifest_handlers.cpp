// SPDX-License-Identifier: Apache-2.0
// /v2/<name>/manifests/<reference> and /v2/<name>/referrers/<digest>
#include <fmt/format.h>

#include "base/strings.h"
#include "registry/server/api_error.h"
#include "registry/server/manifest_document.h"
#include "registry/server/response_fields.h"
#include "registry/server/service.h"
#include "registry/server/storage.h"
#include "spec/image.h"
#include "spec/reference.h"

namespace berth::registry::server {

namespace {

/// What the last component of a manifest's path is.
struct Name {
    std::optional<Digest> digest;
    std::string tag;
};

Name parse_name(const Route& route) {
    if (route.reference.find(':') != std::string::npos) return {parse_digest(route.reference), {}};
    return {std::nullopt, route.reference};
}

struct FoundManifest {
    ManifestInfo info;
    std::string content;
};

std::optional<ManifestInfo> look_up(Catalog& catalog, const std::string& repository, const Name& name) {
    return name.digest ? catalog.find_manifest(repository, *name.digest)
                       : catalog.find_tag(repository, name.tag);
}

/// Of a list that the client cannot read, what an old client runs: linux/amd64.
std::optional<ManifestInfo> default_entry(Storage& storage, const std::string& repository,
                                          const std::string& list) {
    spec::Index index = spec::parse_index(list);
    const spec::Descriptor* entry = spec::select_platform(index, spec::Platform::parse("linux/amd64"));
    if (entry == nullptr) return std::nullopt;
    return storage.catalog.find_manifest(repository, entry->digest);
}

/// The manifest in a type that the client takes. By digest there is no choice: the client gets what it named.
FoundManifest find_manifest(Storage& storage, const Route& route, const Name& name,
                            const Accepted& accepted) {
    std::optional<ManifestInfo> info = look_up(storage.catalog, route.repository, name);
    if (!info) throw manifest_unknown(route.repository, route.reference);
    FoundManifest found{*info, {}};
    try {
        found.content = storage.blobs.read(info->digest, kMaxManifest);
        if (name.digest || accepted.takes(info->media_type)) return found;
        if (spec::media_kind(info->media_type) == spec::MediaKind::index) {
            info = default_entry(storage, route.repository, found.content);
            if (info && accepted.takes(info->media_type))
                return {*info, storage.blobs.read(info->digest, kMaxManifest)};
        }
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        storage.forget(info->digest);
        throw manifest_unknown(route.repository, route.reference);
    }
    throw ApiError(404, "MANIFEST_UNKNOWN",
                   fmt::format("the manifest is of type {}, which the Accept header does not name",
                               found.info.media_type));
}

async::Task<void> get_manifest(Service& service, const Route& route, const http::Request& request,
                               http::Response& response) {
    Name name = parse_name(route);
    if (!name.digest && !spec::is_valid_tag(name.tag))
        throw manifest_unknown(route.repository, route.reference);
    if (service.proxy) co_await service.proxy->bring_manifest(route.repository, route.reference);
    Accepted accepted(request.headers.all("Accept"));
    auto find = [&] { return find_manifest(service.storage, route, name, accepted); };
    FoundManifest found = co_await async::run_blocking(find);
    set_digest_fields(response, found.info.digest);
    response.headers.set("Content-Type", found.info.media_type);
    response.headers.set("Vary", "Accept");
    if (matches_etag(request, found.info.digest)) {
        response.status = 304;
        found.content.clear();
    }
    // For HEAD the server leaves the body out and tells its length.
    co_await response.send(std::move(found.content));
}

ApiError missing_error(const std::vector<Manifest::Reference>& missing) {
    std::vector<Problem> problems;
    for (const Manifest::Reference& reference : missing) {
        json::Object detail;
        detail["digest"] = reference.digest.text();
        problems.push_back(
            {"MANIFEST_BLOB_UNKNOWN",
             reference.is_manifest ? "manifest unknown to registry" : "blob unknown to registry",
             std::move(detail)});
    }
    return ApiError(404, std::move(problems));
}

/// Stores content and row; the lease holds the content until the row is there.
void store_manifest(Storage& storage, const std::string& repository, const Manifest& manifest,
                    const std::string& tag, const std::string& content) {
    store::Lease lease = storage.blobs.lease("manifest of " + repository);
    put_content(storage.blobs, lease, manifest.digest, content);
    std::vector<Manifest::Reference> missing = storage.catalog.put_manifest(repository, manifest, tag, true);
    if (!missing.empty()) throw missing_error(missing);
}

async::Task<void> put_manifest(Service& service, const Route& route, http::Request& request,
                               http::Response& response) {
    Name name = parse_name(route);
    if (!name.digest && !spec::is_valid_tag(name.tag))
        throw ApiError(400, "TAG_INVALID", "invalid tag", json::Value(name.tag));
    if (request.content_length.value_or(0) > kMaxManifest)
        throw ApiError(413, "MANIFEST_INVALID", "manifests are at most 4 MiB");
    std::string content = co_await request.read_all(kMaxManifest);
    Hasher hasher(name.digest ? name.digest->algorithm() : "sha256");
    hasher.update(content);
    Digest digest = hasher.finish();
    if (name.digest && digest != *name.digest)
        throw digest_invalid(name.digest->text(), "the content's digest is " + digest.text());
    Manifest manifest = read_manifest(request.headers.get("Content-Type"), content, digest);
    auto work = [&] { store_manifest(service.storage, route.repository, manifest, name.tag, content); };
    co_await async::run_blocking(work);
    response.status = 201;
    response.headers.set("Location", fmt::format("/v2/{}/manifests/{}", route.repository, digest.text()));
    response.headers.set("Docker-Content-Digest", digest.text());
    if (manifest.subject) response.headers.set("OCI-Subject", manifest.subject->text());
    co_await response.send();
}

async::Task<void> delete_manifest(Service& service, const Route& route, http::Response& response) {
    Name name = parse_name(route);
    Catalog& catalog = service.storage.catalog;
    auto work = [&] {
        return name.digest ? catalog.delete_manifest(route.repository, *name.digest)
                           : catalog.delete_tag(route.repository, name.tag);
    };
    if (!co_await async::run_blocking(work)) throw manifest_unknown(route.repository, route.reference);
    response.status = 202;
    co_await response.send();
}

std::string referrers_body(const std::vector<Referrer>& referrers) {
    json::Array entries;
    for (const Referrer& referrer : referrers) {
        json::Object entry;
        entry["mediaType"] = referrer.manifest.media_type;
        entry["digest"] = referrer.manifest.digest.text();
        entry["size"] = referrer.manifest.size;
        if (!referrer.artifact_type.empty()) entry["artifactType"] = referrer.artifact_type;
        if (referrer.annotations != "{}") entry["annotations"] = json::parse(referrer.annotations);
        entries.push_back(std::move(entry));
    }
    json::Object index;
    index["schemaVersion"] = 2;
    index["mediaType"] = spec::media::kOciIndex;
    index["manifests"] = std::move(entries);
    return json::print(index);
}

}  // namespace

async::Task<void> serve_manifest(Service& service, const Route& route, http::Request& request,
                                 http::Response& response) {
    if (request.method == "GET" || request.method == "HEAD")
        co_await get_manifest(service, route, request, response);
    else if (request.method == "PUT")
        co_await put_manifest(service, route, request, response);
    else if (request.method == "DELETE")
        co_await delete_manifest(service, route, response);
    else
        throw method_not_allowed("GET, HEAD, PUT, DELETE");
}

async::Task<void> serve_referrers(Service& service, const Route& route, http::Request& request,
                                  http::Response& response) {
    if (request.method != "GET" && request.method != "HEAD") throw method_not_allowed("GET, HEAD");
    Digest subject = parse_digest(route.reference);
    std::string type(request.query.get("artifactType"));
    if (!type.empty()) response.headers.set("OCI-Filters-Applied", "artifactType");
    response.headers.set("Content-Type", std::string(spec::media::kOciIndex));
    if (service.proxy) {
        std::optional<std::string> body = co_await service.proxy->referrers(route.repository, subject, type);
        if (body) {
            co_await response.send(std::move(*body));
            co_return;
        }
    }
    auto find = [&] { return service.storage.catalog.referrers(route.repository, subject, type); };
    std::vector<Referrer> referrers = co_await async::run_blocking(find);
    std::string body = referrers_body(referrers);
    co_await response.send(std::move(body));
}

}  // namespace berth::registry::server

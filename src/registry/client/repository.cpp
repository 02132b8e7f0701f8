// SPDX-License-Identifier: Apache-2.0
#include "registry/client/repository.h"

#include <boost/describe/class.hpp>

#include <algorithm>
#include <array>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "registry/client/link.h"

namespace berth::registry {

namespace {

constexpr size_t kMaxManifest = 4u << 20;
constexpr size_t kMaxTagPage = 8u << 20;
constexpr unsigned kMaxTagPages = 1000;
constexpr size_t kMaxTags = 1'000'000;
constexpr unsigned kFirstContactAttempts = 2;

struct TagList {
    std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(TagList, (), (tags))

/// What only says the one kind, for `accept` fields.
std::string all_manifest_types() {
    std::string result;
    for (std::string_view type : {spec::media::kOciIndex, spec::media::kDockerList, spec::media::kOciManifest,
                                  spec::media::kDockerManifest, spec::media::kDockerManifestV1Signed,
                                  spec::media::kDockerManifestV1}) {
        if (!result.empty()) result += ", ";
        result += type;
    }
    return result;
}

struct MediaTypeField {
    std::string mediaType;
    std::optional<json::Value> manifests, layers, fsLayers;
};
BOOST_DESCRIBE_STRUCT(MediaTypeField, (), (mediaType, manifests, layers, fsLayers))

bool is_manifest_kind(spec::MediaKind kind) {
    return kind == spec::MediaKind::index || kind == spec::MediaKind::manifest ||
           kind == spec::MediaKind::schema1;
}

/// The document's own word counts, else the header's, else what it looks like; the first two must agree.
std::string media_type_of(const std::string& content, std::string_view header) {
    auto fields = with_context("manifest", [&] { return json::decode_text<MediaTypeField>(content); });
    std::string told(trim(header.substr(0, header.find(';'))));
    if (!fields.mediaType.empty()) {
        if (is_manifest_kind(spec::media_kind(told)) &&
            spec::media_kind(told) != spec::media_kind(fields.mediaType))
            throw make_error(ErrorKind::invalid_argument, "mediaType in manifest should be {} not {}",
                             quote(told), quote(fields.mediaType));
        return fields.mediaType;
    }
    if (is_manifest_kind(spec::media_kind(told))) return told;
    if (fields.fsLayers) return std::string(spec::media::kDockerManifestV1);
    return std::string(fields.manifests ? spec::media::kOciIndex : spec::media::kOciManifest);
}

/// The body, at most `limit` bytes.
async::Task<std::string> read_limited(http::ClientResponse& response, size_t limit, std::string what) {
    std::string body;
    std::vector<std::byte> buffer(64 * 1024);
    if (response.content_length && *response.content_length > limit)
        throw make_error(ErrorKind::invalid_argument, "{} has {} bytes; at most {} are accepted", what,
                         *response.content_length, limit);
    while (size_t count = co_await response.read_some(buffer)) {
        body.append(reinterpret_cast<const char*>(buffer.data()), count);
        if (body.size() > limit)
            throw make_error(ErrorKind::invalid_argument, "{} has more than {} bytes", what, limit);
    }
    co_return body;
}

bool same_origin(const http::Url& a, const http::Url& b) {
    return a.scheme == b.scheme && a.host == b.host && a.effective_port() == b.effective_port();
}

}  // namespace

struct Repository::Site {
    Site(Transport& transport, Endpoint endpoint, Authorizer::Lookup lookup)
        : endpoint(std::move(endpoint)),
          authorizer(transport, this->endpoint.url(""), this->endpoint.credentials_of, std::move(lookup)) {}
    Endpoint endpoint;
    Authorizer authorizer;
    bool answered = false;
    bool is_last = false;
};

Digest digest_like(const Digest& like, std::string_view content) {
    Hasher hasher(like.algorithm());
    hasher.update(content);
    return hasher.finish();
}

Repository::Repository(Transport& transport, const spec::Reference& name, Endpoints::Purpose purpose,
                       Authorizer::Lookup credentials)
    : transport_(transport), path_(name.path()) {
    scope_ = "repository:" + path_ + (purpose == Endpoints::Purpose::push ? ":pull,push" : ":pull");
    for (Endpoint& endpoint : transport.endpoints().find(name.domain(), purpose))
        sites_.push_back(std::make_unique<Site>(transport, std::move(endpoint), credentials));
    last().is_last = true;
}

Repository::~Repository() = default;

Repository::Site& Repository::last() {
    return *sites_.back();
}

async::Task<void> Repository::open() {
    for (auto& site : sites_) {
        if (!site->endpoint.plain_too) continue;
        bool plain = co_await transport_.speaks_plain(site->endpoint);
        if (!plain) continue;
        site->endpoint.base.scheme = "http";
        site->authorizer.set_registry(site->endpoint.url(""));
    }
}

Call Repository::call(Site& site, std::string method, std::string_view rest) {
    Call result;
    result.request.method = std::move(method);
    result.request.url = site.endpoint.url(path_ + '/' + std::string(rest));
    result.authorizer = &site.authorizer;
    result.scope = scope_;
    // Where there is another endpoint, it is asked instead of asking twice.
    result.attempts = site.is_last ? transport_.max_attempts() : 1;
    result.silent_attempts =
        site.answered ? result.attempts : std::min(result.attempts, kFirstContactAttempts);
    return result;
}

async::Task<std::string> Repository::text_from(Site& site, std::string rest, http::Headers headers,
                                               size_t limit, http::Headers& answer_headers) {
    for (unsigned attempt = 1;; ++attempt) {
        Call request = call(site, "GET", rest);
        request.request.headers = headers;
        unsigned attempts = request.attempts;
        Answer answer = co_await transport_.send(std::move(request));
        site.answered = true;
        co_await transport_.check(answer);
        try {
            answer_headers = answer.response->headers;
            std::string body = co_await read_limited(*answer.response, limit, rest);
            co_return body;
        } catch (const Error& error) {
            if (attempt >= attempts || !is_transient(error)) throw;
            log::info("{}: {}", rest, error.what());
        }
        co_await async::sleep_for(transport_.back_off(attempt));
    }
}

async::Task<ManifestContent> Repository::manifest_from(Site& site, std::string tag_or_digest) {
    http::Headers headers, answered;
    headers.set("Accept", all_manifest_types());
    ManifestContent result;
    std::string rest = "manifests/" + tag_or_digest;
    result.content = co_await text_from(site, std::move(rest), std::move(headers), kMaxManifest, answered);
    auto wanted = Digest::try_parse(tag_or_digest);
    auto told = Digest::try_parse(trim(answered.get("Docker-Content-Digest")));
    for (const auto& digest : {wanted, told}) {
        if (digest && digest_like(*digest, result.content) != *digest)
            throw make_error(ErrorKind::invalid_argument, "manifest verification failed for digest {}",
                             digest->text());
    }
    result.descriptor.digest = wanted ? *wanted : Digest::of(result.content);
    result.descriptor.size = static_cast<int64_t>(result.content.size());
    result.descriptor.mediaType = media_type_of(result.content, answered.get("Content-Type"));
    result.kind = spec::media_kind(result.descriptor.mediaType);
    co_return result;
}

/// A mirror may lack what is asked for; one that does not work is slowing everything down.
void Repository::tell_of_mirror(const Site& site, const Error& error) {
    if (error.kind() == ErrorKind::not_found)
        log::info("mirror {}: {}", site.endpoint.base.text(), error.what());
    else
        log::warning("mirror {}: {}", site.endpoint.base.text(), error.what());
}

async::Task<ManifestContent> Repository::manifest(std::string tag_or_digest) {
    for (auto& site : sites_) {
        try {
            ManifestContent result = co_await manifest_from(*site, tag_or_digest);
            co_return result;
        } catch (const Error& error) {
            if (site->is_last) throw;
            tell_of_mirror(*site, error);
        }
    }
    throw Error(ErrorKind::internal, "no endpoint");
}

async::Task<std::string> Repository::small_blob(spec::Descriptor descriptor, size_t limit) {
    if (descriptor.size < 0 || static_cast<uint64_t>(descriptor.size) > limit)
        throw make_error(ErrorKind::invalid_argument, "{} has {} bytes; at most {} are accepted",
                         descriptor.digest.text(), descriptor.size, limit);
    for (auto& site : sites_) {
        try {
            http::Headers answered;
            std::string rest = "blobs/" + descriptor.digest.text();
            std::string content =
                co_await text_from(*site, std::move(rest), http::Headers(), limit, answered);
            if (content.size() != static_cast<uint64_t>(descriptor.size))
                throw make_error(ErrorKind::invalid_argument, "{} has {} bytes, not {} as the manifest says",
                                 descriptor.digest.text(), content.size(), descriptor.size);
            Digest found = digest_like(descriptor.digest, content);
            if (found != descriptor.digest)
                throw make_error(ErrorKind::invalid_argument,
                                 "filesystem layer verification failed for digest {}",
                                 descriptor.digest.text());
            co_return content;
        } catch (const Error& error) {
            if (site->is_last) throw;
            tell_of_mirror(*site, error);
        }
    }
    throw Error(ErrorKind::internal, "no endpoint");
}

async::Task<Answer> Repository::blob(BlobRequest request) {
    for (size_t i = std::min<size_t>(request.failures, sites_.size() - 1);; ++i) {
        Site& site = *sites_[i];
        Call ask = call(site, "GET", "blobs/" + request.descriptor.digest.text());
        if (request.end != 0)
            ask.request.headers.set("Range", fmt::format("bytes={}-{}", request.begin, request.end - 1));
        // Some front ends compress on the way; the digest is of what is stored.
        ask.request.headers.set("Accept-Encoding", "identity");
        ask.retrying = request.retrying;
        try {
            Answer answer = co_await transport_.send(std::move(ask));
            site.answered = true;
            if (answer.status() != 416) co_await transport_.check(answer);
            co_return answer;
        } catch (const Error& error) {
            if (site.is_last) throw;
            tell_of_mirror(site, error);
        }
    }
}

async::Task<std::vector<std::string>> Repository::tags() {
    std::vector<std::string> result;
    std::set<std::string> seen;
    Site& site = last();
    Call next = call(site, "GET", "tags/list?n=1000");
    for (unsigned page = 0;; ++page) {
        http::Url here = next.request.url;
        // A page that leads back is a loop; so is a list without an end.
        if (!seen.insert(here.text()).second || page >= kMaxTagPages || result.size() > kMaxTags)
            throw make_error(ErrorKind::invalid_argument, "tags of {}: the list does not end (Link to {})",
                             path_, here.text());
        Answer answer = co_await transport_.send(std::move(next));
        site.answered = true;
        co_await transport_.check(answer);
        std::string body = co_await read_limited(*answer.response, kMaxTagPage, "tags/list");
        TagList list = with_context("tags of " + path_, [&] { return json::decode_text<TagList>(body); });
        for (std::string& tag : list.tags)
            if (spec::is_valid_tag(tag)) result.push_back(std::move(tag));
        auto link = next_link(answer.response->headers);
        if (!link) co_return result;
        next = call(site, "GET", "");
        next.request.url = answer.url.resolve(*link);
        if (!same_origin(next.request.url, here))
            throw make_error(ErrorKind::invalid_argument, "tags of {}: the next page is at another host: {}",
                             path_, next.request.url.text());
    }
}

async::Task<spec::Index> Repository::referrers(Digest digest) {
    http::Headers headers, answered;
    headers.set("Accept", std::string(spec::media::kOciIndex));
    std::string rest = "referrers/" + digest.text();
    try {
        std::string body =
            co_await text_from(last(), std::move(rest), std::move(headers), kMaxManifest, answered);
        co_return spec::parse_index(body);
    } catch (const ResponseError& error) {
        if (error.status() != 404) throw;
    }
    co_return spec::Index{};
}

async::Task<bool> Repository::has_blob(Digest digest) {
    Call request = call(last(), "HEAD", "blobs/" + digest.text());
    Answer answer = co_await transport_.send(std::move(request));
    last().answered = true;
    if (answer.status() == 404) co_return false;
    co_await transport_.check(answer);
    co_return true;
}

async::Task<std::optional<Repository::Upload>> Repository::start_upload(Digest digest, std::string from) {
    std::string rest = "blobs/uploads/";
    if (!from.empty())
        rest += "?mount=" + http::percent_encode(digest.text()) + "&from=" + http::percent_encode(from);
    Call request = call(last(), "POST", rest);
    if (!from.empty()) request.scope += " repository:" + from + ":pull";
    Answer answer = co_await transport_.send(std::move(request));
    co_await transport_.check(answer);
    if (answer.status() == 201 && !from.empty()) co_return std::nullopt;
    Upload upload;
    upload.location = next_location(answer);
    auto least = parse_number<uint64_t>(trim(answer.response->headers.get("OCI-Chunk-Min-Length")));
    if (least) upload.chunk = *least;
    co_await drain(*answer.response);
    co_return upload;
}

http::Url Repository::next_location(const Answer& answer) const {
    std::string location(answer.response->headers.get("Location"));
    if (location.empty())
        throw make_error(ErrorKind::invalid_argument, "{}: the registry names no location for the upload",
                         answer.url.text());
    http::Url next = answer.url.resolve(location);
    // A registry behind a proxy that ends TLS may take itself for an unencrypted one.
    if (answer.url.scheme == "https" && next.scheme == "http" && next.host == answer.url.host) {
        next.scheme = "https";
        next.port = answer.url.port;
    }
    if (!transport_.endpoints().may_follow(answer.url, next))
        throw make_error(ErrorKind::forbidden, "upload to {}, which is not encrypted", next.text());
    return next;
}

async::Task<Answer> Repository::upload_request(http::ClientRequest request) {
    Call ask = call(last(), request.method, "");
    bool own = same_origin(request.url, ask.request.url);
    ask.request = std::move(request);
    if (!own) ask.authorizer = nullptr;
    ask.attempts = 1;
    ask.silent_attempts = 1;
    Answer answer = co_await transport_.send(std::move(ask));
    co_return answer;
}

async::Task<void> Repository::put_manifest(std::string tag_or_digest, std::string media_type,
                                           std::string content) {
    Call request = call(last(), "PUT", "manifests/" + tag_or_digest);
    request.request.headers.set("Content-Type", std::move(media_type));
    request.request.body.text = std::move(content);
    Answer answer = co_await transport_.send(std::move(request));
    co_await transport_.check(answer);
    co_await drain(*answer.response);
}

}  // namespace berth::registry

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/client/authorizer.h"
#include "registry/client/endpoints.h"
#include "registry/client/transport.h"
#include "spec/image.h"
#include "spec/reference.h"

namespace berth::registry {

/// A manifest as a registry holds it.
struct ManifestContent {
    spec::Descriptor descriptor;  ///< media type, digest and size of `content`, verified
    spec::MediaKind kind = spec::MediaKind::other;
    std::string content;
};

/// The requests of one operation to one repository (OCI distribution-spec, "API"). A pull of docker.io goes
/// to the mirrors in turn and then to the registry: each request on its own, since a mirror may have the
/// manifest and miss a layer. Throws ResponseError for what the registry refuses. Belongs to the loop's
/// thread; open() comes first.
class Repository {
  public:
    using Retrying = std::function<void(const std::string& why, std::chrono::milliseconds wait)>;
    Repository(Transport& transport, const spec::Reference& name, Endpoints::Purpose purpose,
               Authorizer::Lookup credentials);
    ~Repository();

    /// Finds out whether insecure hosts speak HTTPS or HTTP.
    async::Task<void> open();

    /// By tag or digest. At most 4 MiB; invalid_argument where digest, size or media type are not what was
    /// asked for.
    async::Task<ManifestContent> manifest(std::string tag_or_digest);
    /// A whole blob of at most `limit` bytes, verified.
    async::Task<std::string> small_blob(spec::Descriptor descriptor, size_t limit);
    /// The answer (200, 206 or 416) to a GET of a blob, from `begin` to `end` where that is not all.
    /// `failures`: how often this blob has failed so far; each moves on to the next endpoint, the last one
    /// stays.
    struct BlobRequest {
        spec::Descriptor descriptor;
        uint64_t begin = 0, end = 0;  ///< end 0: without Range
        unsigned failures = 0;
        Retrying retrying;
    };
    async::Task<Answer> blob(BlobRequest request);
    /// Sorted as the registry gives them, through all pages (at most 1,000, of this registry only).
    async::Task<std::vector<std::string>> tags();
    /// Manifests that have `digest` as their subject; an empty index where the registry has no such API.
    async::Task<spec::Index> referrers(Digest digest);

    async::Task<bool> has_blob(Digest digest);
    /// Where to upload to, or nothing where the blob was mounted from the repository `from` (a path; may be
    /// empty).
    struct Upload {
        http::Url location;
        bool chunked = false;  ///< the registry wants pieces of at least `chunk` bytes
        uint64_t chunk = 0;
    };
    async::Task<std::optional<Upload>> start_upload(Digest digest, std::string from);
    /// A request within an upload (PATCH, PUT, GET of a location).
    async::Task<Answer> upload_request(http::ClientRequest request);
    /// The location that an answer gives for what comes next.
    http::Url next_location(const Answer& answer) const;
    async::Task<void> put_manifest(std::string tag_or_digest, std::string media_type, std::string content);

    const std::string& path() const { return path_; }
    size_t endpoints() const { return sites_.size(); }
    Transport& transport() { return transport_; }

  private:
    struct Site;
    Call call(Site& site, std::string method, std::string_view rest);
    async::Task<ManifestContent> manifest_from(Site& site, std::string tag_or_digest);
    async::Task<std::string> text_from(Site& site, std::string rest, http::Headers headers, size_t limit,
                                       http::Headers& answer_headers);
    static void tell_of_mirror(const Site& site, const Error& error);
    Site& last();

    Transport& transport_;
    std::string path_;
    std::string scope_;
    std::vector<std::unique_ptr<Site>> sites_;
};

/// What `content` hashes to with the algorithm of `like`.
Digest digest_like(const Digest& like, std::string_view content);

}  // namespace berth::registry

// SPDX-License-Identifier: Apache-2.0
// /v2/<name>/blobs/<digest>
#include "registry/server/api_error.h"
#include "registry/server/byte_range.h"
#include "registry/server/response_fields.h"
#include "registry/server/service.h"

namespace berth::registry::server {

namespace {

struct FoundBlob {
    uint64_t size = 0;
    UniqueFd fd;  ///< for GET
};

/// A link whose content is lost is dropped, so that the next push brings the blob again.
std::optional<FoundBlob> find_blob(Storage& storage, const std::string& repository, const Digest& digest,
                                   bool open) {
    std::optional<uint64_t> size = storage.catalog.find_blob(repository, digest);
    if (!size) return std::nullopt;
    FoundBlob found{*size, {}};
    if (!open) return found;
    try {
        store::Blob blob = storage.blobs.open(digest);
        found.size = blob.size;
        found.fd = std::move(blob.fd);
        return found;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
    }
    storage.forget(digest);
    return std::nullopt;
}

async::Task<void> send_blob(const Digest& digest, FoundBlob blob, const http::Request& request,
                            http::Response& response) {
    set_blob_fields(response, digest);
    if (matches_etag(request, digest)) {
        response.status = 304;
        co_await response.send();
        co_return;
    }
    ByteRange range{0, blob.size};
    if (auto part = requested_part(request, digest, blob.size)) {
        range = *part;
        set_part_fields(response, range, blob.size);
    }
    co_await response.send_file(blob.fd.get(), range.begin, range.end - range.begin);
}

async::Task<void> delete_blob(Service& service, const Route& route, Digest digest, http::Response& response) {
    auto unlink = [&] { return service.storage.catalog.unlink_blob(route.repository, digest); };
    if (!co_await async::run_blocking(unlink)) throw blob_unknown(digest);
    response.status = 202;
    co_await response.send();
}

}  // namespace

async::Task<void> serve_blob(Service& service, const Route& route, http::Request& request,
                             http::Response& response) {
    Digest digest = parse_digest(route.reference);
    if (request.method == "DELETE") {
        co_await delete_blob(service, route, std::move(digest), response);
        co_return;
    }
    bool head = request.method == "HEAD";
    if (!head && request.method != "GET") throw method_not_allowed("GET, HEAD, DELETE");
    // At most two rounds: the proxy may find that the blob is here after all.
    for (bool again = false;; again = true) {
        auto find = [&] { return find_blob(service.storage, route.repository, digest, !head); };
        std::optional<FoundBlob> found = co_await async::run_blocking(find);
        if (service.proxy && !again) service.metrics.count_proxy(found.has_value());
        if (found) {
            FoundBlob blob = std::move(*found);
            co_await send_blob(digest, std::move(blob), request, response);
            co_return;
        }
        if (!service.proxy || again) throw blob_unknown(digest);
        std::shared_ptr<void> owner = service.owner.lock();
        bool is_here =
            co_await service.proxy->serve_blob(std::move(owner), route.repository, digest, request, response);
        if (!is_here) co_return;
    }
}

}  // namespace berth::registry::server

// SPDX-License-Identifier: Apache-2.0
// /v2/<name>/blobs/uploads/ and /v2/<name>/blobs/uploads/<id>
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "registry/server/api_error.h"
#include "registry/server/byte_range.h"
#include "registry/server/service.h"
#include "spec/reference.h"

namespace berth::registry::server {

namespace {

/// What is hashed and written at once: small enough for the second-level cache.
constexpr size_t kChunk = 256 << 10;

std::string upload_location(std::string_view repository, std::string_view id) {
    return fmt::format("/v2/{}/blobs/uploads/{}", repository, id);
}

/// Inclusive, and "0-0" both before and after the first byte: so it is in the specification's examples and in
/// what clients parse.
std::string progress_range(uint64_t offset) {
    return fmt::format("0-{}", offset == 0 ? 0 : offset - 1);
}

void set_upload_fields(http::Response& response, std::string_view repository, const std::string& id,
                       uint64_t offset) {
    response.headers.set("Location", upload_location(repository, id));
    response.headers.set("Range", progress_range(offset));
    response.headers.set("Docker-Upload-UUID", id);
}

void set_created_fields(http::Response& response, std::string_view repository, const Digest& digest) {
    response.status = 201;
    response.headers.set("Location", fmt::format("/v2/{}/blobs/{}", repository, digest.text()));
    response.headers.set("Docker-Content-Digest", digest.text());
}

struct Filled {
    size_t bytes = 0;
    bool end = false;
    std::exception_ptr error;  ///< of the client's connection
};

/// As much of the body as fits.
async::Task<Filled> fill(http::Request& request, std::span<std::byte> buffer) {
    Filled filled;
    try {
        while (filled.bytes < buffer.size()) {
            size_t count = co_await request.read_some(buffer.subspan(filled.bytes));
            if (count == 0) {
                filled.end = true;
                break;
            }
            filled.bytes += count;
        }
    } catch (...) {
        filled.error = std::current_exception();
        filled.end = true;
    }
    co_return filled;
}

/// A client that goes away is no failure of ours, to be logged.
[[noreturn]] void throw_cut_off(std::exception_ptr error) {
    try {
        std::rethrow_exception(error);
    } catch (const Error& cause) {
        if (cause.kind() != ErrorKind::unavailable) throw;
        throw ApiError(400, "BLOB_UPLOAD_INVALID", "blob upload invalid", json::Value(cause.what()));
    }
}

/// Appends the body to the upload. What came before a connection broke is kept, so that the client can go on
/// from there. Hashing is work for the pool: the loop stays with the other connections.
async::Task<void> receive(std::shared_ptr<UploadSession> session, std::shared_ptr<UploadWriter> writer,
                          http::Request& request) {
    if (!request.has_body) co_return;
    size_t size = kChunk;
    if (request.content_length) size = std::clamp<uint64_t>(*request.content_length, 1, kChunk);
    std::shared_ptr<std::byte[]> buffer(new std::byte[size]);
    Filled filled;
    while (!filled.end) {
        filled = co_await fill(request, std::span(buffer.get(), size));
        if (filled.bytes > 0) {
            auto append = [writer, buffer, count = filled.bytes] {
                writer->append(std::span(buffer.get(), count));
            };
            co_await async::run_blocking(std::move(append));
            session->received += filled.bytes;
        }
    }
    if (filled.error) throw_cut_off(filled.error);
}

/// A chunk must begin where the last one ended.
void check_chunk(const Route& route, const http::Request& request, uint64_t offset) {
    auto field = request.headers.find("Content-Range");
    if (!field) return;
    auto refuse = [&](std::string_view why) {
        return ApiError(416, "BLOB_UPLOAD_INVALID", "blob upload invalid", json::Value(why))
            .with_header("Location", upload_location(route.repository, route.reference))
            .with_header("Range", progress_range(offset))
            .with_header("Docker-Upload-UUID", route.reference);
    };
    auto range = parse_chunk_range(*field);
    if (!range) throw refuse("malformed Content-Range");
    if (range->begin != offset) throw refuse("the chunk does not begin where the upload is");
    if (request.content_length && *request.content_length != range->end - range->begin)
        throw ApiError(400, "SIZE_INVALID", "provided length did not match content length");
}

/// Verifies, publishes and links, in the pool: it waits for the disk.
async::Task<void> complete(Service& service, std::shared_ptr<UploadSession> session,
                           std::shared_ptr<UploadWriter> writer, Digest digest) {
    auto work = [&catalog = service.storage.catalog, session, writer = std::move(writer), digest]() mutable {
        try {
            writer->verify(digest);
        } catch (const ApiError&) {
            catalog.end_upload(session->id);
            throw;
        }
        catalog.announce_upload(session->id, digest);
        store::BlobInfo blob = writer->publish(digest);
        catalog.link_blob(session->repository, digest, blob.size, session->id);
        writer.reset();
    };
    co_await async::run_blocking(std::move(work));
}

/// Whether the upload's bytes were published already, by a process that died before it could say so; links
/// them then. Where it died in the midst of publishing, bytes and blob may both be gone: then the client has
/// to begin anew.
bool link_published(Storage& storage, const UploadSession& session, const Digest& digest) {
    if (!storage.catalog.is_announced(session.id, digest)) return false;
    store::Lease lease = storage.blobs.lease("upload to " + session.repository);
    std::optional<store::BlobInfo> blob = storage.blobs.protect(lease, digest);
    if (blob) {
        storage.catalog.link_blob(session.repository, digest, blob->size, session.id);
        return true;
    }
    if (storage.blobs.has_ingest(session.id)) return false;
    storage.catalog.end_upload(session.id);
    throw upload_unknown(session.id);
}

async::Task<void> upload_at_once(Service& service, const Route& route, Digest digest, http::Request& request,
                                 http::Response& response) {
    Uploads::Turn turn = service.uploads.begin_here(route.repository);
    turn.end();
    std::shared_ptr<UploadWriter> writer = co_await service.uploads.open(turn.session());
    std::exception_ptr failure;
    try {
        co_await receive(turn.session(), writer, request);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        // Nobody can come back to it: it has no row.
        writer->discard();
        std::rethrow_exception(failure);
    }
    co_await complete(service, turn.session(), std::move(writer), digest);
    set_created_fields(response, route.repository, digest);
    co_await response.send();
}

async::Task<void> start_upload(Service& service, const Route& route, http::Response& response) {
    std::string id = co_await service.uploads.begin(route.repository);
    response.status = 202;
    set_upload_fields(response, route.repository, id, 0);
    co_await response.send();
}

/// Whether a mount was asked for and done. What cannot be mounted is uploaded instead.
async::Task<bool> mount(Service& service, const Route& route, const http::Request& request,
                        http::Response& response) {
    auto digest = Digest::try_parse(request.query.get("mount"));
    std::string from(request.query.get("from"));
    if (!digest || !spec::is_valid_repository(from)) co_return false;
    auto work = [&] { return service.storage.catalog.mount_blob(from, route.repository, *digest); };
    std::optional<uint64_t> size = co_await async::run_blocking(work);
    if (!size) co_return false;
    set_created_fields(response, route.repository, *digest);
    co_await response.send();
    co_return true;
}

async::Task<void> patch_upload(Service& service, const Route& route, http::Request& request,
                               http::Response& response) {
    Uploads::Turn turn = co_await service.uploads.take(route.reference, route.repository);
    std::shared_ptr<UploadWriter> writer = co_await service.uploads.open(turn.session());
    uint64_t offset = writer->offset();
    turn.session()->received = offset;
    check_chunk(route, request, offset);
    std::exception_ptr failure;
    try {
        co_await receive(turn.session(), writer, request);
    } catch (...) {
        failure = std::current_exception();
    }
    // Given back before the answer: what the client is told of as received is safe then.
    auto close = [&catalog = service.storage.catalog, id = route.reference,
                  writer = std::move(writer)]() mutable {
        uint64_t end = writer->offset();
        writer.reset();
        catalog.touch_upload(id);
        return end;
    };
    offset = co_await async::run_blocking(std::move(close));
    if (failure) std::rethrow_exception(failure);
    response.status = 202;
    set_upload_fields(response, route.repository, route.reference, offset);
    co_await response.send();
}

/// Takes the last chunk, if there is one, and completes the upload.
async::Task<void> finish_upload(Service& service, const Route& route, const Digest& digest,
                                Uploads::Turn& turn, http::Request& request) {
    std::shared_ptr<UploadWriter> writer = co_await service.uploads.open(turn.session());
    turn.session()->received = writer->offset();
    check_chunk(route, request, writer->offset());
    co_await receive(turn.session(), writer, request);
    try {
        co_await complete(service, turn.session(), std::move(writer), digest);
        turn.end();
    } catch (const ApiError&) {
        turn.end();  // the content is not what the client said it is: there is nothing to resume
        throw;
    }
}

async::Task<void> put_upload(Service& service, const Route& route, http::Request& request,
                             http::Response& response) {
    Digest digest = parse_digest(request.query.get("digest"));
    Uploads::Turn turn = co_await service.uploads.take(route.reference, route.repository);
    bool published = false;
    if (turn.session()->hashed == 0) {
        auto find = [&storage = service.storage, session = turn.session(), digest] {
            return link_published(storage, *session, digest);
        };
        try {
            published = co_await async::run_blocking(std::move(find));
        } catch (const ApiError&) {
            turn.end();
            throw;
        }
    }
    if (published)
        turn.end();
    else
        co_await finish_upload(service, route, digest, turn, request);
    set_created_fields(response, route.repository, digest);
    co_await response.send();
}

async::Task<void> cancel_upload(Service& service, const Route& route, http::Response& response) {
    Uploads::Turn turn = co_await service.uploads.take(route.reference, route.repository);
    turn.end();
    std::shared_ptr<UploadWriter> writer = co_await service.uploads.open(turn.session());
    auto discard = [&catalog = service.storage.catalog, id = route.reference, writer = std::move(writer)] {
        writer->discard();  // first: on a full disk the row can only be changed then
        catalog.end_upload(id);
    };
    co_await async::run_blocking(std::move(discard));
    response.status = 204;
    co_await response.send();
}

async::Task<void> upload_status(Service& service, const Route& route, http::Response& response) {
    uint64_t offset = co_await service.uploads.progress(route.reference, route.repository);
    response.status = 204;
    set_upload_fields(response, route.repository, route.reference, offset);
    co_await response.send();
}

}  // namespace

async::Task<void> serve_uploads(Service& service, const Route& route, http::Request& request,
                                http::Response& response) {
    if (request.method != "POST") throw method_not_allowed("POST");
    if (request.query.find("mount")) {
        if (co_await mount(service, route, request, response)) co_return;
    } else if (auto text = request.query.find("digest")) {
        Digest digest = parse_digest(*text);
        co_await upload_at_once(service, route, std::move(digest), request, response);
        co_return;
    }
    co_await start_upload(service, route, response);
}

async::Task<void> serve_upload(Service& service, const Route& route, http::Request& request,
                               http::Response& response) {
    if (request.method == "PATCH")
        co_await patch_upload(service, route, request, response);
    else if (request.method == "PUT")
        co_await put_upload(service, route, request, response);
    else if (request.method == "DELETE")
        co_await cancel_upload(service, route, response);
    else if (request.method == "GET" || request.method == "HEAD")
        co_await upload_status(service, route, response);
    else
        throw method_not_allowed("GET, HEAD, PATCH, PUT, DELETE");
}

}  // namespace berth::registry::server

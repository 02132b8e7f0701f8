// SPDX-License-Identifier: Apache-2.0
// Blobs through the proxy: fetched once, stored, and sent on to all who asked while they come.
//
//   run() ── download ──► ingest file ──► verified, published, linked
//                 │ available, tell()
//                 ▼
//   follow() ── reads the file behind `available` ──► client        (one for each client)
//
// A client that goes away does not stop the fetch. A fetch that fails leaves its bytes; the next one goes on
// there.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "registry/server/api_error.h"
#include "registry/server/blob_fetch.h"
#include "registry/server/proxy.h"
#include "registry/server/response_fields.h"
#include "store/space.h"
#include "sys/file.h"

namespace berth::registry::server {

namespace {

constexpr size_t kChunk = 256 << 10;
constexpr unsigned kAttempts = 4;

size_t read_at(int fd, std::span<std::byte> into, uint64_t offset) {
    ssize_t count =
        sys::retry([&] { return ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset)); });
    sys::check(count, "read a blob that is being fetched");
    if (count == 0) throw Error(ErrorKind::internal, "a blob that is being fetched became shorter");
    return static_cast<size_t>(count);
}

}  // namespace

async::Task<bool> Proxy::serve_blob(std::shared_ptr<void> owner, std::string repository, Digest digest,
                                    http::Request& request, http::Response& response) {
    std::shared_ptr<BlobFetch> fetch = running_fetch(digest);
    if (!fetch) {
        if (co_await link_present(repository, digest)) co_return true;
        if (request.method == "HEAD") {
            co_await head_blob(repository, digest, response);
            co_return false;
        }
        fetch = running_fetch(digest);  // another client may have begun meanwhile
    }
    if (!fetch) {
        fetch = std::make_shared<BlobFetch>(context_, repository, digest);
        fetches_.emplace(digest, fetch);
        async::Task<void> task = run(std::move(owner), fetch);
        context_.spawn("fetching " + digest.text(), std::move(task));
    } else if (fetch->repository != repository || request.method == "HEAD") {
        // Of another repository: that this one has it too is the upstream's to say.
        Answer answer = co_await ask("HEAD", repository, "blobs/" + digest.text(), {});
        if (answer.status() != 200) throw blob_unknown(digest);
        if (request.method == "HEAD") {
            set_blob_fields(response, digest);
            co_await response.send_file(-1, 0, answer.response->content_length.value_or(0));
            co_return false;
        }
    }
    co_await follow(fetch, request, response);
    co_return false;
}

std::shared_ptr<BlobFetch> Proxy::running_fetch(const Digest& digest) const {
    auto found = fetches_.find(digest);
    return found == fetches_.end() ? nullptr : found->second;
}

async::Task<bool> Proxy::link_present(std::string repository, Digest digest) {
    auto find = [&] { return blobs_.find(digest).has_value(); };
    if (!co_await async::run_blocking(find)) co_return false;
    Answer answer = co_await ask("HEAD", repository, "blobs/" + digest.text(), {});
    if (answer.status() != 200) throw blob_unknown(digest);
    auto link = [&] {
        store::Lease lease = blobs_.lease("link of " + digest.text());
        std::optional<store::BlobInfo> blob = blobs_.protect(lease, digest);
        if (blob) catalog_.link_blob(repository, digest, blob->size);
        return blob.has_value();
    };
    co_return co_await async::run_blocking(link);
}

async::Task<void> Proxy::head_blob(std::string repository, Digest digest, http::Response& response) {
    Answer answer = co_await ask("HEAD", repository, "blobs/" + digest.text(), {});
    if (answer.status() >= 500) throw ApiError(503, "UNAVAILABLE", "the upstream registry does not answer");
    if (answer.status() != 200) throw blob_unknown(digest);
    set_blob_fields(response, digest);
    co_await response.send_file(-1, 0, answer.response->content_length.value_or(0));
}

async::Task<void> Proxy::run(std::shared_ptr<void> owner, std::shared_ptr<BlobFetch> fetch) {
    try {
        auto open = [this, fetch] { fetch->open(blobs_, root_); };
        co_await async::run_blocking(std::move(open));
        co_await download(fetch);
        auto publish = [this, fetch] {
            store::BlobInfo blob = fetch->commit();
            catalog_.link_blob(fetch->repository, fetch->digest, blob.size);
        };
        co_await async::run_blocking(std::move(publish));
        fetch->finished = true;
    } catch (const ApiError&) {
        fetch->error = std::current_exception();
    } catch (const Error& error) {
        log::warning("upstream {}: {}: {}", upstream_.authority(), fetch->digest.text(), error.what());
        fetch->error = std::current_exception();
    } catch (...) {
        fetch->error = std::current_exception();  // whatever it is: others wait for an end
    }
    auto mine = fetches_.find(fetch->digest);
    if (mine != fetches_.end() && mine->second == fetch) fetches_.erase(mine);
    fetch->tell();
}

async::Task<void> Proxy::download(std::shared_ptr<BlobFetch> fetch) {
    // The furthest so far: who begins anew and comes to the same place again has made no progress.
    uint64_t furthest = fetch->written;
    for (unsigned attempt = 1;; ++attempt) {
        try {
            co_await download_some(fetch);
            co_return;
        } catch (const Error& error) {
            bool progress = fetch->written > furthest;
            if (!is_transient(error) || store::is_out_of_space(error) || (attempt >= kAttempts && !progress))
                throw;
            if (progress) attempt = 1;
            furthest = std::max(furthest, fetch->written);
        }
        co_await async::sleep_for(transport_.back_off(attempt));
    }
}

async::Task<void> Proxy::download_some(std::shared_ptr<BlobFetch> fetch) {
    http::Headers headers;
    if (fetch->size && fetch->written == *fetch->size) co_return;
    if (fetch->written > 0) headers.set("Range", fmt::format("bytes={}-", fetch->written));
    Answer answer =
        co_await ask("GET", fetch->repository, "blobs/" + fetch->digest.text(), std::move(headers));
    int status = answer.status();
    if (status >= 500 || status == 429)
        throw make_error(ErrorKind::unavailable, "status {} for {}", status, fetch->digest.text());
    if (status != 200 && status != 206 && status != 416) throw blob_unknown(fetch->digest);
    if (status != 206 && fetch->written > 0) {
        auto restart = [fetch] { fetch->restart(); };
        co_await async::run_blocking(std::move(restart));
        fetch->available = 0;
        if (status == 416) throw Error(ErrorKind::unavailable, "the upstream has less than what came before");
    }
    if (answer.response->content_length) fetch->size = fetch->written + *answer.response->content_length;
    fetch->available = fetch->written;
    fetch->tell();
    std::shared_ptr<std::byte[]> buffer(new std::byte[kChunk]);
    while (true) {
        size_t filled = 0, count = 1;
        while (filled < kChunk && count > 0) {
            std::span<std::byte> rest(buffer.get() + filled, kChunk - filled);
            count = co_await answer.response->read_some(rest);
            filled += count;
        }
        if (filled > 0) {
            auto append = [fetch, buffer, filled] { fetch->append(std::span(buffer.get(), filled)); };
            co_await async::run_blocking(std::move(append));
            fetch->available = fetch->written;
            fetch->tell();
        }
        if (count == 0) break;
    }
    if (!fetch->size) fetch->size = fetch->written;
    if (fetch->written != *fetch->size)
        throw Error(ErrorKind::unavailable, "the upstream's blob ended early");
    fetch->tell();
}

async::Task<void> Proxy::follow(std::shared_ptr<BlobFetch> fetch, http::Request& request,
                                http::Response& response) {
    while (!fetch->size && !fetch->error) co_await fetch->progress.wait();
    if (!fetch->size) {
        bool told = false;
        try {
            std::rethrow_exception(fetch->error);
        } catch (const ApiError&) {
            told = true;
        } catch (const Error&) {
        }
        if (told) std::rethrow_exception(fetch->error);
        throw ApiError(503, "UNAVAILABLE", "the upstream registry does not answer");
    }
    set_blob_fields(response, fetch->digest);
    ByteRange range{0, *fetch->size};
    if (auto part = requested_part(request, fetch->digest, *fetch->size)) {
        range = *part;
        set_part_fields(response, range, *fetch->size);
    }
    response.headers.set("Content-Length", fmt::format("{}", range.end - range.begin));
    co_await response.start();
    std::shared_ptr<std::byte[]> buffer(new std::byte[kChunk]);
    while (range.begin < range.end) {
        while (fetch->readable() <= range.begin && !fetch->error && !fetch->finished)
            co_await fetch->progress.wait();
        if (fetch->error) std::rethrow_exception(fetch->error);
        if (fetch->readable() <= range.begin)
            throw Error(ErrorKind::unavailable, "the upstream's blob is shorter than it said at first");
        size_t count = std::min<uint64_t>(std::min(fetch->readable(), range.end) - range.begin, kChunk);
        auto read = [fetch, buffer, count, offset = range.begin] {
            return read_at(fetch->file.get(), std::span(buffer.get(), count), offset);
        };
        count = co_await async::run_blocking(std::move(read));
        co_await response.write(std::span<const std::byte>(buffer.get(), count));
        range.begin += count;
    }
    co_await response.finish();
}

}  // namespace berth::registry::server

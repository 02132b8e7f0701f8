// SPDX-License-Identifier: Apache-2.0
#include "registry/client/upload.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"

namespace berth::registry {

namespace {

constexpr uint64_t kChunk = 16u << 20;

http::Url with_digest(http::Url location, const Digest& digest) {
    location.target += location.target.find('?') == std::string::npos ? '?' : '&';
    location.target += "digest=" + http::percent_encode(digest.text());
    return location;
}

class Upload {
  public:
    Upload(Repository& repository, BlobUpload blob) : repository_(repository), blob_(std::move(blob)) {}

    async::Task<UploadOutcome> run() {
        unsigned attempts = repository_.transport().max_attempts();
        for (unsigned attempt = 1;; ++attempt) {
            std::chrono::milliseconds wait{};
            try {
                UploadOutcome outcome = co_await run_once();
                co_return outcome;
            } catch (const ResponseError& error) {
                // 413: too much at once. 404, 416: the upload is gone or stands elsewhere than we believe.
                bool chunks_help = error.status() == 413 && !chunked_;
                bool anew_helps = started_ && (error.status() == 404 || error.status() == 416);
                if (attempt >= attempts || !(is_transient(error) || chunks_help || anew_helps)) throw;
                if (chunks_help) chunked_ = true;
                started_ = !(chunks_help || anew_helps) && started_;
                wait = prepare_retry(error, attempt);
            } catch (const Error& error) {
                if (attempt >= attempts || !is_transient(error)) throw;
                wait = prepare_retry(error, attempt);
            }
            co_await async::sleep_for(wait);
            if (started_) co_await find_offset();
        }
    }

  private:
    std::chrono::milliseconds prepare_retry(const Error& error, unsigned attempt) {
        auto wait = repository_.transport().back_off(attempt);
        if (blob_.retrying) blob_.retrying(error.what(), wait);
        return wait;
    }

    async::Task<UploadOutcome> run_once() {
        if (!started_) {
            auto begun = co_await repository_.start_upload(blob_.digest, blob_.mount_from);
            if (!begun) co_return UploadOutcome::mounted;
            if (blob_.fd < 0) co_return UploadOutcome::not_mounted;
            blob_.mount_from.clear();
            location_ = begun->location;
            chunk_ = std::max(begun->chunk, kChunk);
            if (begun->chunk > 0) chunked_ = true;
            offset_ = 0;
            started_ = true;
        }
        if (offset_ == 0 && !chunked_) {
            co_await put(0, blob_.size);
            co_return UploadOutcome::uploaded;
        }
        while (offset_ < blob_.size) co_await patch(std::min(chunk_, blob_.size - offset_));
        co_await put(blob_.size, 0);
        co_return UploadOutcome::uploaded;
    }

    http::ClientRequest request(std::string method, http::Url url, uint64_t offset, uint64_t length) {
        http::ClientRequest result;
        result.method = std::move(method);
        result.url = std::move(url);
        result.headers.set("Content-Type", "application/octet-stream");
        if (length == 0) return result;
        result.body.fd = blob_.fd;
        result.body.offset = offset;
        result.body.length = length;
        if (blob_.sent)
            result.body.sent = [so_far = offset, tell = blob_.sent](uint64_t more) mutable {
                tell(so_far += more);
            };
        return result;
    }

    /// Ends the upload.
    async::Task<void> put(uint64_t offset, uint64_t length) {
        http::ClientRequest ask = request("PUT", with_digest(location_, blob_.digest), offset, length);
        Answer answer = co_await repository_.upload_request(std::move(ask));
        co_await repository_.transport().check(answer);
        co_await drain(*answer.response);
    }

    async::Task<void> patch(uint64_t length) {
        http::ClientRequest ask = request("PATCH", location_, offset_, length);
        ask.headers.set("Content-Range", fmt::format("{}-{}", offset_, offset_ + length - 1));
        Answer answer = co_await repository_.upload_request(std::move(ask));
        co_await repository_.transport().check(answer);
        location_ = repository_.next_location(answer);
        offset_ += length;
        co_await drain(*answer.response);
    }

    /// After a break: where the registry stands. An upload that it doesn't know any more begins anew.
    async::Task<void> find_offset() {
        started_ = false;
        http::ClientRequest ask;
        ask.url = location_;
        try {
            Answer answer = co_await repository_.upload_request(std::move(ask));
            co_await repository_.transport().check(answer);
            std::string_view range = answer.response->headers.get("Range");
            size_t dash = range.find('-');
            if (dash == std::string_view::npos) co_return;
            auto last = parse_number<uint64_t>(range.substr(dash + 1));
            if (!last || *last >= blob_.size) co_return;
            location_ = repository_.next_location(answer);
            offset_ = *last == 0 ? 0 : *last + 1;  // "0-0" is said for nothing, too
            started_ = offset_ > 0 && offset_ < blob_.size;
        } catch (const Error& error) {
            log::info("state of the upload of {}: {}", blob_.digest.text(), error.what());
        }
    }

    Repository& repository_;
    BlobUpload blob_;
    http::Url location_;
    uint64_t offset_ = 0;
    uint64_t chunk_ = kChunk;
    bool chunked_ = false;
    bool started_ = false;  ///< location_ and offset_ are an upload's
};

}  // namespace

async::Task<UploadOutcome> upload_blob(Repository& repository, BlobUpload blob) {
    Upload upload(repository, std::move(blob));
    UploadOutcome outcome = co_await upload.run();
    co_return outcome;
}

}  // namespace berth::registry

// SPDX-License-Identifier: Apache-2.0
#include "registry/client/layer_download.h"

#include <algorithm>
#include <deque>

#include "base/strings.h"

namespace berth::registry {

namespace {

using store::Range;

constexpr uint64_t kSegment = 8u << 20;
constexpr size_t kBuffer = 256u << 10;
constexpr uint64_t kProgress = 64u << 10;  ///< a connection that brought so much has not failed for nothing

class Download {
  public:
    Download(Repository& repository, spec::Descriptor descriptor, std::shared_ptr<store::Ingest> ingest,
             DownloadOptions options)
        : repository_(repository),
          descriptor_(std::move(descriptor)),
          size_(static_cast<uint64_t>(descriptor_.size)),
          ingest_(std::move(ingest)),
          options_(std::move(options)),
          range_works_(repository.transport().context()) {}

    async::Task<void> run() {
        std::vector<Range> missing = missing_ranges(ingest_->have(), size_);
        uint64_t left = 0;
        for (Range range : missing) left += range.end - range.begin;
        received_ = size_ - left;
        if (options_.received) options_.received(received_);
        if (missing.empty()) co_return;
        bool parallel = left > options_.parallel_threshold && options_.connections > 1;
        for (Range range : missing) {
            uint64_t step = parallel ? kSegment : size_;
            for (; range.begin < range.end; range.begin += std::min(step, range.end - range.begin))
                queue_.push_back({range.begin, std::min(range.end, range.begin + step)});
        }
        std::vector<async::Task<void>> workers;
        size_t count = parallel ? std::min(options_.connections, queue_.size()) : 1;
        for (size_t i = 0; i < count; ++i) workers.push_back(work(i == 0));
        co_await async::all_of(std::move(workers));
    }

  private:
    /// The first one alone finds out whether the server knows ranges.
    async::Task<void> work(bool first) {
        if (!first) co_await range_works_.wait();
        std::vector<std::byte> buffer(kBuffer);
        while (!queue_.empty()) {
            std::deque<Range> todo{queue_.front()};
            queue_.pop_front();
            co_await fetch(todo, buffer);
        }
        range_works_.set();
    }

    async::Task<void> fetch(std::deque<Range>& todo, std::span<std::byte> buffer) {
        while (!todo.empty()) {
            uint64_t before = received_;
            std::chrono::milliseconds wait{};
            try {
                co_await fetch_once(todo, buffer);
                continue;
            } catch (const Error& error) {
                if (!is_transient(error)) throw;
                in_a_row_ = received_ - before >= kProgress ? 1 : in_a_row_ + 1;
                ++options_.failures;
                if (in_a_row_ >= repository_.transport().max_attempts()) throw;
                wait = repository_.transport().back_off(in_a_row_);
                if (options_.retrying) options_.retrying(error.what(), wait);
            }
            co_await async::sleep_for(wait);
        }
    }

    /// One request. Takes from the front of `todo` what has come.
    async::Task<void> fetch_once(std::deque<Range>& todo, std::span<std::byte> buffer) {
        Range asked = todo.front();
        bool ranged = !ignores_range_ && asked != Range{0, size_};
        Repository::BlobRequest request;
        request.descriptor = descriptor_;
        request.failures = options_.failures;
        request.retrying = options_.retrying;
        if (ranged) {
            request.begin = asked.begin;
            request.end = asked.end;
        }
        Answer answer = co_await repository_.blob(std::move(request));
        http::ClientResponse& response = *answer.response;
        if (response.status == 206) {
            if (!ranged) throw refused("a part of the blob came, and all was asked for");
            check_range(response, asked);
            range_works_.set();
            co_await take(response, asked.begin, asked.end, todo, buffer);
        } else if (response.status == 200) {
            if (response.content_length && *response.content_length != size_)
                throw refused(fmt::format("the registry has {} bytes", *response.content_length));
            if (ranged) take_queue(todo);
            co_await take(response, 0, size_, todo, buffer);
        } else if (response.status == 416) {
            if (!ranged) throw refused("the registry refuses the range of all");
            take_queue(todo);
        } else {
            throw refused(fmt::format("unexpected status {}", response.status));
        }
    }

    /// Without ranges one connection brings all that is not being brought yet.
    void take_queue(std::deque<Range>& todo) {
        ignores_range_ = true;
        todo.insert(todo.end(), queue_.begin(), queue_.end());
        queue_.clear();
    }

    /// The body is [position, end) of the blob.
    async::Task<void> take(http::ClientResponse& response, uint64_t position, uint64_t end,
                           std::deque<Range>& todo, std::span<std::byte> buffer) {
        while (position < end && !todo.empty()) {
            Range& next = todo.front();
            bool skipping = position < next.begin;
            uint64_t wanted =
                std::min<uint64_t>(buffer.size(), (skipping ? next.begin : next.end) - position);
            std::span<std::byte> into = buffer.first(wanted);
            size_t count = co_await response.read_some(into);
            if (count == 0)
                throw make_error(ErrorKind::unavailable, "the connection ended after {} of {} bytes",
                                 position, size_);
            if (!skipping) {
                ingest_->write_at(position, into.first(count));
                next.begin = position + count;
                received_ += count;
                if (options_.received) options_.received(received_);
            }
            position += count;
            if (next.begin == next.end) todo.pop_front();
        }
        if (position < end) co_return;  // the rest was there: the connection is given up
        size_t more = co_await response.read_some(buffer.first(1));
        if (more > 0) throw refused("more bytes came");
    }

    void check_range(const http::ClientResponse& response, Range asked) const {
        auto given = parse_content_range(response.headers.get("Content-Range"));
        if (!given || given->range != asked)
            throw refused(fmt::format("bytes {}-{} were asked for and {} came", asked.begin, asked.end - 1,
                                      quote(response.headers.get("Content-Range"))));
        if (given->total != 0 && given->total != size_)
            throw refused(fmt::format("the registry has {} bytes", given->total));
    }

    Error refused(std::string problem) const {
        return make_error(ErrorKind::invalid_argument, "{} has {} bytes by its manifest: {}",
                          descriptor_.digest.text(), size_, problem);
    }

    Repository& repository_;
    spec::Descriptor descriptor_;
    uint64_t size_;
    std::shared_ptr<store::Ingest> ingest_;
    DownloadOptions options_;
    async::Event range_works_;
    std::deque<Range> queue_;  ///< what nobody fetches yet, in order
    uint64_t received_ = 0;
    unsigned in_a_row_ = 0;  ///< failures without progress between
    bool ignores_range_ = false;
};

}  // namespace

async::Task<void> download_blob(Repository& repository, spec::Descriptor descriptor,
                                std::shared_ptr<store::Ingest> ingest, DownloadOptions options) {
    Download download(repository, std::move(descriptor), std::move(ingest), std::move(options));
    co_await download.run();
}

std::vector<Range> missing_ranges(const std::vector<Range>& have, uint64_t size) {
    std::vector<Range> missing;
    uint64_t position = 0;
    for (Range range : have) {
        if (range.begin >= size) break;
        if (range.begin > position) missing.push_back({position, range.begin});
        position = std::max(position, range.end);
    }
    if (position < size) missing.push_back({position, size});
    return missing;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
    if (!text.starts_with("bytes ")) return std::nullopt;
    text = trim(text.substr(6));
    size_t dash = text.find('-'), slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
        return std::nullopt;
    auto first = parse_number<uint64_t>(text.substr(0, dash));
    auto last = parse_number<uint64_t>(text.substr(dash + 1, slash - dash - 1));
    if (!first || !last || *last < *first || *last == UINT64_MAX) return std::nullopt;
    ContentRange result{{*first, *last + 1}, 0};
    std::string_view total = text.substr(slash + 1);
    if (total == "*") return result;
    auto number = parse_number<uint64_t>(total);
    if (!number || *number <= *last) return std::nullopt;
    result.total = *number;
    return result;
}

}  // namespace berth::registry

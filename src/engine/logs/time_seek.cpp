// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/time_seek.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "engine/logs/line_source.h"
#include "shim/log_order.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// Below this it is cheaper to read on.
constexpr uint64_t kCloseEnough = uint64_t{64} * 1024;
constexpr size_t kBlock = size_t{64} * 1024;

struct Probe {
    uint64_t offset = 0;  ///< of the record's line
    int64_t time_ns = 0;
};

/// Reads pieces of a file: small ones first, since a probe needs one or two lines.
class Prober {
  public:
    Prober(int fd, RecordParser& parser) : fd_(fd), parser_(parser), buffer_(new char[kBlock]) {}

    /// The first record whose line begins behind `from`, in [from, to).
    std::optional<Probe> record_behind(uint64_t from, uint64_t to) {
        size_t piece = 4096;
        bool in_line = false;  // `line_` begins at a line's start
        uint64_t line_at = 0;
        line_.clear();
        while (from < to) {
            std::string_view data = read(from, std::min<uint64_t>(piece, to - from));
            if (data.empty()) break;
            uint64_t next = from + data.size();
            while (!data.empty()) {
                size_t newline = data.find('\n');
                if (in_line) line_ += data.substr(0, newline);
                if (newline == std::string_view::npos) break;
                data.remove_prefix(newline + 1);
                LogRecord record;
                if (in_line && parser_.parse(line_, record)) {
                    int64_t time = parser_.time_of(record);
                    if (time > 0) return Probe{line_at, time};
                }
                in_line = true;
                line_.clear();
                line_at = next - data.size();
            }
            from = next;
            piece = kBlock;
        }
        return std::nullopt;
    }

    std::string_view read(uint64_t from, uint64_t length) {
        ssize_t got = sys::retry([&] {
            return ::pread(fd_, buffer_.get(), static_cast<size_t>(std::min<uint64_t>(length, kBlock)),
                           static_cast<off_t>(from));
        });
        sys::check(got, "read a log");
        return {buffer_.get(), static_cast<size_t>(got)};
    }

  private:
    int fd_;
    RecordParser& parser_;
    std::unique_ptr<char[]> buffer_;
    std::string line_;
};

}  // namespace

uint64_t seek_time(int fd, RecordParser& parser, uint64_t from, uint64_t to, int64_t time_ns) {
    Prober prober(fd, parser);
    // Before `low` no record is of the time or later: a record that is older by more than the slack proves it
    // for all before it. `high` is only where the search goes on.
    uint64_t low = from;
    uint64_t high = to;
    while (high - low > kCloseEnough) {
        uint64_t middle = low + (high - low) / 2;
        std::optional<Probe> probe = prober.record_behind(middle, high);
        if (probe && probe->time_ns < time_ns - shim::kLogOrderSlackNs)
            low = probe->offset;
        else
            high = middle;
    }
    return low;
}

Tail seek_tail(int fd, uint64_t to, uint64_t count) {
    auto block = std::make_unique_for_overwrite<char[]>(kBlock);
    Tail tail{to, 0};
    // The newline that ends the last line, and those that end the `count` lines before: the first of them is
    // outside.
    uint64_t newlines = 0;
    uint64_t end = to;
    while (end > 0) {
        uint64_t start = end > kBlock ? end - kBlock : 0;
        ssize_t got = sys::retry([&] {
            return ::pread(fd, block.get(), static_cast<size_t>(end - start), static_cast<off_t>(start));
        });
        sys::check(got, "read a log");
        if (static_cast<uint64_t>(got) < end - start && got == 0) break;
        size_t rest = static_cast<size_t>(got);
        while (const void* found = ::memrchr(block.get(), '\n', rest)) {
            rest = static_cast<size_t>(static_cast<const char*>(found) - block.get());
            if (newlines == count) {
                tail.offset = start + rest + 1;
                tail.lines = count;
                return tail;
            }
            ++newlines;
        }
        end = start;
    }
    tail.offset = 0;
    tail.lines = newlines;
    return tail;
}

}  // namespace berth::engine

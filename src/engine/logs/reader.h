// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "shim/log_sink.h"

/// Reads what shims wrote (docs/logs.md). Blocking: for a thread of a pool. What is here throws berth::Error
/// where a file can't be opened or read; half and garbled records are skipped, they never fail a stream.
namespace berth::engine {

/// Where a container's log is.
struct LogLocation {
    std::string path;  ///< of the newest file; `path`.1, `path`.2.gz, … are before it
    shim::LogFormat format = shim::LogFormat::json_file;
    std::string
        attrs;  ///< for `details` where records have none of their own (local): a JSON object or empty
};

/// As the parameters of GET /containers/{id}/logs.
struct LogReadOptions {
    bool out = true;
    bool err = true;
    int64_t since_ns = 0;  ///< records of this time and later; 0: all
    int64_t until_ns = 0;  ///< records of this time and before; 0: all
    std::optional<uint64_t>
        tail;                 ///< the last records, counted before any other choice is made, as dockerd does
    bool timestamps = false;  ///< "2024-03-01T12:00:00.120000000Z " before each record
    bool details = false;     ///< "key=value,… " (URL-encoded) before each record, after its time
    bool framed = true;       ///< each record in a frame with Docker's 8 byte header; false for a terminal
};

/// Bytes that are ready to be sent. Its memory is used again and again.
class LogBatch {
  public:
    static constexpr size_t kDefaultTarget = size_t{256} * 1024;
    /// A reader fills about `target` bytes; a bit more where a record needs it.
    explicit LogBatch(size_t target = kDefaultTarget) : target_(target) {}

    std::string_view view() const { return {data_.get(), size_}; }
    bool empty() const { return size_ == 0; }
    bool full() const { return size_ >= target_; }
    void clear() { size_ = 0; }

    /// At least `bytes` may be written at end(); then end_at().
    void reserve(size_t bytes) {
        if (capacity_ - size_ < bytes) grow(bytes);
    }
    char* end() { return data_.get() + size_; }
    void end_at(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }

  private:
    void grow(size_t bytes);

    size_t target_;
    std::unique_ptr<char[]> data_;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

/// The log as it was when the reader was made: later records are not read, rotation and removal of files
/// meanwhile change nothing. Pull-style: nothing is read ahead of read(), so a slow client only makes it
/// wait.
class LogReader {
  public:
    /// A log that does not exist is empty.
    LogReader(const LogLocation& location, const LogReadOptions& options);
    LogReader(LogReader&&) noexcept;
    LogReader& operator=(LogReader&&) noexcept;
    ~LogReader();

    /// Replaces what is in `into`. False, and `into` empty: that was all.
    bool read(LogBatch& into);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shim/log_file.h"
#include "shim/log_local.h"
#include "shim/log_record.h"
#include "shim/log_sink.h"

namespace berth::shim {

/// Memory for the records of one write, mapped on first use and given back whole.
class LogBatch {
  public:
    explicit LogBatch(size_t capacity) noexcept : capacity_(capacity) {}
    ~LogBatch() { release(); }
    LogBatch(const LogBatch&) = delete;
    LogBatch& operator=(const LogBatch&) = delete;

    /// False: no memory.
    bool prepare() noexcept;
    void release() noexcept;
    bool has_room(size_t bytes) const noexcept { return capacity_ - used_ >= bytes; }
    char* end() noexcept { return data_ + used_; }
    void end_at(const char* end) noexcept { used_ = static_cast<size_t>(end - data_); }
    std::string_view view() const noexcept { return {data_, used_}; }
    void clear() noexcept { used_ = 0; }

  private:
    size_t capacity_;
    size_t used_ = 0;
    char* data_ = nullptr;
};

/// The json-file log and the local one: cuts the streams into lines, lines into records (log_record.h,
/// log_local.h), and hands them to the files (log_file.h) in one write for each chunk. Holds at most 16 KiB
/// of an unfinished line for each stream.
///
/// On a full disk (or any other error of the file) records are dropped and counted; for 100 ms no further
/// attempt is made, so that a busy container doesn't pay for failing writes.
class LogWriter final : public LogSink {
  public:
    explicit LogWriter(const LogOptions& options);

    void append(Stream stream, std::string_view chunk, int64_t time_ns) noexcept override;
    void flush(Stream stream, int64_t time_ns) noexcept override;
    void idle() noexcept override;
    void reopen() noexcept override { file_.reopen(); }
    bool child_exited(pid_t pid) noexcept override { return file_.compressor().child_exited(pid); }
    void drain() noexcept override { file_.compressor().drain(); }
    std::string_view unfinished(Stream stream) const noexcept override {
        return lines_[static_cast<size_t>(stream)].text;
    }
    uint64_t dropped() const noexcept override { return dropped_; }
    int last_error() const noexcept override { return last_error_; }

  private:
    struct Line {
        std::string text;      ///< what has come of the unfinished line and is in no record yet
        int64_t first_ns = 0;  ///< the time of the line's first record, once that is written (`split`)
        bool split = false;
    };

    void take(Stream stream, std::string_view chunk, int64_t time_ns);
    /// `end`: the line is complete and gets its newline.
    void add_record(Stream stream, std::string_view text, bool end, int64_t time_ns) noexcept;
    void add_json(Stream stream, std::string_view text, bool end, int64_t time_ns) noexcept;
    void add_local(const LocalHead& head, std::string_view text) noexcept;
    void make_room(size_t bytes) noexcept;
    int64_t in_order(int64_t time_ns) noexcept;
    void make_suffix(Stream stream, int64_t time_ns) noexcept;
    void write_batch() noexcept;
    void lose(uint64_t records, int error) noexcept;

    bool local_;
    LogFile file_;
    LogBatch batch_;
    std::array<Line, 2> lines_;
    std::string attrs_;  ///< ,"attrs":{…} or empty
    RecordTime clock_;
    std::string suffix_;  ///< all that follows the text in a record
    int64_t suffix_ns_ = -1;
    Stream suffix_stream_ = Stream::out;
    int64_t newest_ns_ = 0;        ///< no record of the file's present stretch is newer (log_order.h)
    int64_t now_ns_ = 0;           ///< of the present append
    int64_t checked_second_ = -1;  ///< when the file's name was looked at last
    int64_t failed_ns_ = -1;       ///< when a write failed last; -1: the last one did not
    uint64_t dropped_ = 0;
    int last_error_ = 0;
};

}  // namespace berth::shim

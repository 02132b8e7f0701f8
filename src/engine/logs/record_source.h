// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "engine/logs/line_source.h"
#include "engine/logs/log_files.h"
#include "engine/logs/reader.h"
#include "engine/logs/record.h"

namespace berth::engine {

/// How far a log has been read, to go on there in another process. The file is known by its inode, and by the
/// time of the record before `offset`; where it isn't found any more (compressed, removed), reading goes on
/// behind the `same` records of `time_ns`.
struct LogCursor {
    uint64_t inode = 0;
    uint64_t offset = 0;
    int64_t time_ns = 0;  ///< of the last record that was read; 0: none was
    uint64_t same = 0;    ///< how many of the last records had this time

    bool operator==(const LogCursor&) const = default;
};

/// The records of a log one by one, through all of its files. Blocking, not thread-safe.
class RecordSource {
  public:
    enum class Mode {
        snapshot,  ///< what was there at the beginning
        follow,    ///< also what comes later
    };
    /// What LogReadOptions says about output is not looked at.
    RecordSource(const LogLocation& location, const LogReadOptions& options, Mode mode);
    /// Follows from a cursor on, and notes how far it got.
    RecordSource(const LogLocation& location, const LogCursor& cursor);

    /// False: nothing more (by now, where it follows). Views are valid until the next call.
    bool next(LogRecord& record);
    /// No record will come any more: the time of `until` is behind.
    bool ended() const { return ended_; }

    int64_t time_of(const LogRecord& record) { return parser_.time_of(record); }
    /// Behind the last record; only where one was given to the constructor.
    const LogCursor& cursor() const { return cursor_; }
    /// The file that is being read, to be watched; -1: there is none yet.
    int file() const { return current_ ? current_->fd.get() : -1; }
    uint64_t inode() const { return current_ ? current_->inode : 0; }

  private:
    void start_at_tail(uint64_t count);
    void start_at_cursor();
    bool is_cursor_file(const LogFileHandle& file);
    bool load_block();
    bool next_stretch();
    bool next_file();
    bool look_for_files();
    bool open_next();
    void begin_stretch();
    void leave_stretch();
    bool wanted(const LogRecord& record);
    void note(const LogRecord& record, const char* end);

    std::string path_;
    LogReadOptions options_;
    Mode mode_;
    bool keeps_cursor_ = false;
    LogCursor cursor_;
    uint64_t skip_same_ = 0;  ///< records of the cursor's time that were read before
    int64_t skip_time_ns_ = 0;
    RecordParser parser_;

    std::deque<LogFileHandle> files_;  ///< behind the present one, oldest first
    std::optional<LogFileHandle> current_;
    std::optional<LineSource> lines_;
    std::vector<uint64_t> borders_;  ///< of the present file's stretches; empty: compressed
    size_t stretch_ = 0;
    bool ordered_ = true;        ///< the stretch can be left where its records are too new
    uint64_t start_offset_ = 0;  ///< in the first file
    uint64_t skip_lines_ = 0;    ///< in the first file, if it is compressed
    bool rotated_ = false;  ///< the present file's name is another's now, so nothing more is written to it
    bool ended_ = false;

    std::string_view block_;
    const char* block_start_ = nullptr;
};

}  // namespace berth::engine

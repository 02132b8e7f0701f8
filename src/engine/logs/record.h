// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shim/log_sink.h"

/// Records of log files, one line of the file each: taken apart without being copied.
namespace berth::engine {

/// Views into the line (or the parser, until its next parse()).
struct LogRecord {
    shim::Stream stream = shim::Stream::out;
    std::string_view text;   ///< as in the file: with JSON's escapes if `escaped`
    std::string_view time;   ///< RFC 3339, or empty: then time_ns has it
    int64_t time_ns = 0;     ///< only where `time` is empty
    std::string_view attrs;  ///< a JSON object, or empty
    bool escaped = false;
    bool adds_newline = false;  ///< the text's newline is not in `text`
};

/// Takes records apart. Not thread-safe: it remembers what records have in common.
class RecordParser {
  public:
    explicit RecordParser(shim::LogFormat format) : format_(format) {}

    /// `line`: without its newline. False: no record. What a crash left before a record in the same line is
    /// skipped.
    bool parse(std::string_view line, LogRecord& record);
    /// Nanoseconds since the epoch; 0 where the time can't be read.
    int64_t time_of(const LogRecord& record);

  private:
    bool parse_json(std::string_view line, LogRecord& record);
    bool parse_any_json(std::string_view line, LogRecord& record);
    bool split_head(std::string_view head, LogRecord& record);

    shim::LogFormat format_;
    std::string attrs_;                     ///< ,"attrs":{…} of the record before
    std::string text_, time_, attrs_text_;  ///< what parse_any_json found
    std::array<char, 19> second_text_{};
    int64_t second_ = 0;
};

/// Takes the escapes out of `text`, the inside of a JSON string; wrong escapes are copied as they are. `out`
/// needs room for text.size() + 16 bytes. Returns the end of what was written; null where a quote is not
/// escaped: then half a record and a whole one are in the same line.
char* unescape_json(char* out, std::string_view text) noexcept;
/// For that case: leaves the text of the whole one. False: there is none.
bool drop_half_record(LogRecord& record);

/// The text of a record with its newline.
std::string text_of(LogRecord record);

}  // namespace berth::engine

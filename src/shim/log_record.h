// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// One record of Docker's json-file format, byte for byte as dockerd writes it:
///
///   {"log":"text\n","stream":"stdout","attrs":{…},"time":"2024-03-01T12:00:00.123456789Z"}\n
///
/// A line is a record; a line of more than 16 KiB is several, of which only the last ends with "\n", and all
/// carry the time of the first. The rest that a stream leaves at its end is a record without "\n".
namespace berth::shim {

/// Bytes of a line (without its newline) in one record.
inline constexpr size_t kMaxRecordText = size_t{16} * 1024;

/// At most this many bytes are written by encode_json_text for `length` bytes of text, including the slack
/// that it may scribble on behind its end.
constexpr size_t max_encoded_size(size_t length) {
    return 6 * length + 16;
}

/// `text` as the inside of a JSON string, with Docker's choices: \n and \r by letter, other control
/// characters, '<',
/// '>' and '&' as \u00XX, U+2028 and U+2029 escaped, each byte that is not UTF-8 as \ufffd. Returns the end
/// of what was written to `out`, which must have room for max_encoded_size(text.size()).
char* encode_json_text(char* out, std::string_view text) noexcept;

/// How many bytes at the end of `text` (0 to 3) begin a UTF-8 sequence that isn't complete: a record that
/// ends before them doesn't tear a character.
size_t incomplete_utf8_tail(std::string_view text) noexcept;

/// Formats times in UTC as Go's RFC3339Nano: trailing zeros of the fraction are left out, and the point with
/// them. The part up to the second is kept from call to call.
class RecordTime {
  public:
    /// Valid until the next call. `time_ns` since the epoch; before it is taken for it.
    std::string_view format(int64_t time_ns) noexcept;

  private:
    int64_t second_ = -1;
    std::array<char, 40> text_{};
};

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shim/log_sink.h"

/// One record of the format "local" (docs/logs.md):
///
///   kind   1 byte    o, e: a line of stdout, stderr, or its last part; O, E: a part, the line goes on in a
///   later record time   11 bytes  nanoseconds since the epoch, 6 bits in each, highest first, as '0' + value
///   text             as the container wrote it, not encoded in any way
///   \n
///
/// No newline is in a record but the last byte, so a reader finds its feet at any offset.
namespace berth::shim {

inline constexpr size_t kLocalTimeDigits = 11;
inline constexpr size_t kLocalHeadSize = 1 + kLocalTimeDigits;

struct LocalHead {
    Stream stream = Stream::out;
    bool ends_line = true;
    int64_t time_ns = 0;
};

inline char* encode_local_head(char* out, const LocalHead& head) noexcept {
    const char* kinds = head.ends_line ? "oe" : "OE";
    *out++ = kinds[head.stream == Stream::out ? 0 : 1];
    auto time = static_cast<uint64_t>(head.time_ns < 0 ? 0 : head.time_ns);
    for (size_t digit = kLocalTimeDigits; digit-- > 0;) {
        out[digit] = static_cast<char>('0' + (time & 63));
        time >>= 6;
    }
    return out + kLocalTimeDigits;
}

/// False: `record` does not begin with a head.
inline bool decode_local_head(std::string_view record, LocalHead& head) noexcept {
    if (record.size() < kLocalHeadSize) return false;
    switch (record[0]) {
        case 'o': head.stream = Stream::out, head.ends_line = true; break;
        case 'e': head.stream = Stream::err, head.ends_line = true; break;
        case 'O': head.stream = Stream::out, head.ends_line = false; break;
        case 'E': head.stream = Stream::err, head.ends_line = false; break;
        default: return false;
    }
    uint64_t time = 0;
    unsigned char wrong = 0;
    for (size_t digit = 1; digit < kLocalHeadSize; ++digit) {
        auto value = static_cast<unsigned char>(record[digit] - '0');
        wrong |= value;
        time = (time << 6) | (value & 63);
    }
    head.time_ns = static_cast<int64_t>(time);
    return (wrong & 0xc0) == 0 && head.time_ns >= 0;
}

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"

/// What the fuzz targets share. A target finds a bug when the sanitizers do, when an exception other than
/// berth::Error leaves the code under test, and when a property doesn't hold.
namespace berth::fuzz {

/// Ends the program, as a crash that libFuzzer keeps the input of.
inline void require(bool holds, std::string_view property) {
    if (holds) return;
    std::fprintf(stderr, "property does not hold: %.*s\n", static_cast<int>(property.size()),
                 property.data());
    std::abort();
}

/// Whether `body` returns; false if it throws an Error.
template <typename Body>
bool succeeds(Body&& body) {
    try {
        body();
        return true;
    } catch (const Error&) {
        return false;
    }
}

/// As succeeds(), for code whose every Error is invalid_argument.
template <typename Body>
bool is_valid(Body&& body) {
    return succeeds([&] {
        try {
            body();
        } catch (const Error& error) {
            require(error.kind() == ErrorKind::invalid_argument, "bad input is invalid_argument");
            require(*error.what() != '\0', "an error says something");
            throw;
        }
    });
}

/// Warnings are still made, but go nowhere.
inline void discard_log() {
    static const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    log::set_sink({.fd = nowhere, .level = log::Level::debug});
}

inline std::string_view as_text(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// `text` with U+FFFD for each byte that is not part of well-formed UTF-8, as Go's encoding/json has it. Goes
/// by the code points' values, unlike the tables of the encoders that are compared with it.
inline std::string replace_invalid_utf8(std::string_view text) {
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    std::string result;
    for (size_t at = 0; at < text.size();) {
        // Long runs of plain text, which are not what is fuzzed, at once.
        size_t plain = std::min(text.find_first_not_of('x', at), text.size()) - at;
        result += text.substr(at, plain);
        at += plain;
        if (at == text.size()) break;
        auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[at + i]); };
        size_t length = byte(0) < 0x80              ? 1
                        : (byte(0) >> 5) == 0b110   ? 2
                        : (byte(0) >> 4) == 0b1110  ? 3
                        : (byte(0) >> 3) == 0b11110 ? 4
                                                    : 0;
        bool valid = length != 0 && length <= text.size() - at;
        uint32_t code = length == 1 ? byte(0) : length == 0 ? 0 : byte(0) & (0x7f >> length);
        for (size_t i = 1; valid && i < length; ++i) {
            valid = (byte(i) >> 6) == 0b10;
            code = code << 6 | (byte(i) & 0x3f);
        }
        valid = valid && code >= kSmallest[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        result += valid ? text.substr(at, length) : "\xef\xbf\xbd";
        at += valid ? length : 1;
    }
    return result;
}

/// Reads the fuzzer's bytes from the front; at the end all numbers are 0 and all texts empty.
class Bytes {
  public:
    Bytes(const uint8_t* data, size_t size) : rest_(as_text(data, size)) {}

    bool empty() const { return rest_.empty(); }
    uint8_t byte() {
        if (rest_.empty()) return 0;
        auto value = static_cast<uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    /// Up to and without the next NUL, so that seeds can be read.
    std::string_view text() {
        size_t end = rest_.find('\0');
        std::string_view result = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        return result;
    }
    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

}  // namespace berth::fuzz

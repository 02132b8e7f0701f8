// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth {

/// Splits at every `separator`; empty parts are kept ("a,,b" gives 3), an empty text gives no part.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Splits at runs of blanks and tabs and newlines; no part is empty.
std::vector<std::string_view> split_fields(std::string_view text);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

std::string_view trim(std::string_view text);

/// Go's strconv.Quote for the texts that reach people: "a\"b" with control characters escaped.
std::string quote(std::string_view text);

/// The whole text as a number of type T, or nothing (also when out of range).
template <typename T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
    T value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

/// 16 random bytes and so on, as lower-case hexadecimal digits (two for each byte).
std::string random_hex(size_t bytes);

/// Now, in UTC, as RFC 3339 with nanoseconds: 2024-03-01T12:00:00.123456789Z. `time_ns` since the epoch.
std::string rfc3339(int64_t time_ns);
int64_t now_ns();

}  // namespace berth

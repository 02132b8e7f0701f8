// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

/// Times as the API's parameters `since` and `until` have them, in nanoseconds since the epoch.
namespace berth::engine {

/// Go's durations: "1h30m", "1.5s", "-250ms", "0"; in nanoseconds. Nothing where it is none, or too long.
std::optional<int64_t> parse_go_duration(std::string_view text);

/// Seconds since the epoch, with a fraction ("1700000000.25"); a date of RFC 3339, whose seconds, minutes,
/// time and zone may be left out ("2024-03-01T12:00", "2024-03-01"; without a zone: the daemon's local time);
/// or a duration before `now_ns`. Throws invalid_argument "failed to parse value as time or duration: …".
int64_t parse_timestamp(std::string_view text, int64_t now_ns);

/// The same of a parameter that may be absent: nothing for "" and "0".
std::optional<int64_t> parse_optional_timestamp(std::string_view text, int64_t now_ns);

}  // namespace berth::engine

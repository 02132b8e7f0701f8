// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::spec {

/// A date and time of RFC 3339 ("created" of image configurations, "2024-03-01T12:00:00.5+01:00") in
/// nanoseconds since the epoch; berth::rfc3339() is the way back. Digits past nanoseconds are dropped.
/// Nothing where it is malformed, or outside of 1678 to 2261, which 64 bits hold: so for Go's zero time,
/// "0001-01-01T00:00:00Z", which means unknown.
std::optional<int64_t> parse_rfc3339(std::string_view text);

}  // namespace berth::spec

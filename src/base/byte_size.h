// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth {

/// A size as Docker's users write it, in bytes: "1024", "512k", "1.5g", "64MB", "2GiB"; the units are powers
/// of 1024. Nothing if it isn't one (negative ones aren't).
std::optional<int64_t> parse_byte_size(std::string_view text);

}  // namespace berth

// SPDX-License-Identifier: Apache-2.0
#include "base/byte_size.h"

#include <cctype>

#include "base/decimal.h"

namespace berth {

std::optional<int64_t> parse_byte_size(std::string_view text) {
    std::string_view unit = text;
    std::optional<double> amount = take_decimal(unit);
    if (!amount) return std::nullopt;
    if (unit.starts_with(' ')) unit.remove_prefix(1);
    double factor = 1;
    if (!unit.empty()) {
        constexpr std::string_view kUnits = "bkmgtp";
        size_t power = kUnits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(unit[0]))));
        if (power == std::string_view::npos) return std::nullopt;
        for (size_t i = 0; i < power; ++i) factor *= 1024;
        unit.remove_prefix(1);
        if (power > 0 && unit.starts_with('i')) unit.remove_prefix(1);
        if (power > 0 && (unit.starts_with('b') || unit.starts_with('B'))) unit.remove_prefix(1);
        if (!unit.empty()) return std::nullopt;
    }
    if (*amount * factor >= 9.2e18) return std::nullopt;
    return static_cast<int64_t>(*amount * factor);
}

}  // namespace berth

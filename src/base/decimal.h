// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace berth {

/// Takes a number like "12", "1.5" or ".5" from the front of `text`; nothing (and `text` unchanged) if there
/// is none. For values with a unit behind them, of ordinary size; the C++ library's own would cost the
/// program 30 KB.
std::optional<double> take_decimal(std::string_view& text);

}  // namespace berth

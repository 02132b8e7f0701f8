// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace berth::engine {

/// "SIGTERM", "term", "15", "RTMIN+3" to its number. invalid_argument "invalid signal: x".
int parse_signal(std::string_view text);

}  // namespace berth::engine

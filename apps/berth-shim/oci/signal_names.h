// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace berth::oci {

/// A signal's number from its name ("TERM", "SIGTERM", in any case; "RTMIN+3", "RTMAX-1") or its digits.
/// Digits are not checked against a range: the kernel does.
std::optional<int> parse_signal(std::string_view text);

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace berth::cli {

/// A name or id as the daemon is asked for it, percent-encoded for a path: blanks around it are dropped.
/// Throws invalid_argument for an empty one: "invalid container name or ID: value is empty". `kind`:
/// "container", "network".
std::string object_segment(std::string_view kind, std::string_view name);
/// Where the daemon has it: "/containers/NAME" and `rest`.
std::string object_path(std::string_view kind, std::string_view name, std::string_view rest = {});

}  // namespace berth::cli

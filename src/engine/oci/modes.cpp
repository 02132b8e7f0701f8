// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/modes.h"

#include <algorithm>
#include <array>

namespace berth::engine {

std::string_view joined_container(std::string_view mode) {
    constexpr std::string_view kPrefix = "container:";
    return mode.starts_with(kPrefix) ? mode.substr(kPrefix.size()) : std::string_view();
}

bool is_valid_ipc_mode(std::string_view mode) {
    static constexpr std::array<std::string_view, 5> kModes = {"", "none", "private", "shareable", "host"};
    return std::ranges::find(kModes, mode) != kModes.end() || !joined_container(mode).empty();
}

bool is_valid_pid_mode(std::string_view mode) {
    return mode.empty() || mode == "host" || !joined_container(mode).empty();
}

}  // namespace berth::engine

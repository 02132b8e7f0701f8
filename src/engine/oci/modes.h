// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

/// HostConfig's namespace modes: "host", "private", "container:<name or id>", …
namespace berth::engine {

/// The container that a mode joins; "" where it joins none.
std::string_view joined_container(std::string_view mode);
inline bool is_container_mode(std::string_view mode) {
    return mode.starts_with("container:");
}

bool is_valid_ipc_mode(std::string_view mode);
bool is_valid_pid_mode(std::string_view mode);
inline bool is_valid_uts_mode(std::string_view mode) {
    return mode.empty() || mode == "host";
}
inline bool is_valid_userns_mode(std::string_view mode) {
    return mode.empty() || mode == "host";
}
inline bool is_valid_cgroupns_mode(std::string_view mode) {
    return mode.empty() || mode == "host" || mode == "private";
}

/// "" and "default" are the network that the daemon gives by itself.
inline bool is_default_network(std::string_view mode) {
    return mode.empty() || mode == "default" || mode == "bridge";
}
/// A network that somebody made: neither of the above, nor host, none, container:….
inline bool is_user_network(std::string_view mode) {
    return !is_default_network(mode) && mode != "host" && mode != "none" && !is_container_mode(mode);
}
/// A network namespace of its own.
inline bool has_own_network(std::string_view mode) {
    return mode != "host" && !is_container_mode(mode);
}

}  // namespace berth::engine

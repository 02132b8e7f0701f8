// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

/// Addresses that the daemon listens on, as -H takes them.
namespace berth::engine {

inline constexpr std::string_view kDefaultSocket = "/run/berth.sock";

/// The whole form of what a user wrote: "unix:///run/berth.sock", "tcp://127.0.0.1:2376", "fd://". "" gives
/// the default, a missing port 2375 (2376 with TLS). Throws invalid_argument in dockerd's words.
std::string normalize_host(std::string_view text, bool tls);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/unique_fd.h"
#include "shim/proxy_loop.h"

/// One port of the host: how the protocol names it, and how the kernel keeps it.
namespace berth::shim {

struct HostPort {
    uint8_t protocol = 0;  ///< IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP
    uint8_t family = 0;    ///< AF_INET, AF_INET6
    std::array<uint8_t, 16> address{};
    uint16_t port = 0;

    bool is_unspecified() const noexcept { return address == std::array<uint8_t, 16>{}; }
    SocketAddress socket_address() const noexcept;
    /// "0.0.0.0:80/tcp", "[::]:80/tcp"
    std::string text() const;
    auto operator<=>(const HostPort&) const = default;
};

struct WantedPort {
    HostPort port;
    std::optional<SocketAddress> target;
};

/// {"protocol":"tcp","address":"::","port":80[,"to":"172.17.0.2","to_port":8080]}. Throws invalid_argument.
WantedPort decode_port(const json::Value& value);
json::Object encode_port(const HostPort& port, const std::optional<SocketAddress>& target);

/// A socket that has the port so that nobody else can bind it; it neither listens nor receives. An empty one
/// where the kernel lacks the protocol (SCTP, IPv6 as a whole): nobody can use the port then. Throws "failed
/// to bind host port 0.0.0.0:80/tcp: …": conflict where somebody has it.
UniqueFd reserve(const HostPort& port);
/// Makes what reserve() gave a socket that takes connections or datagrams, not blocking.
void open_reserved(int socket, const HostPort& port);
/// And back. Connections that wait to be accepted are reset.
void close_reserved(int socket, const HostPort& port) noexcept;

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "async/stream.h"

namespace berth::async {

/// An address as the kernel takes it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    int family() const { return storage.ss_family; }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    uint16_t port() const;
    std::string text() const;  ///< "127.0.0.1:80", "[::1]:80", the path

    /// Throws invalid_argument where the path is too long.
    static SocketAddress of_path(const std::string& path);
    /// The address that `fd` is bound to.
    static SocketAddress of_socket(int fd);
};

/// Blocking (asks DNS unless `host` is a number); an empty host is any address for `to_listen`, else
/// loopback. Throws unavailable ("lookup x: no such host").
std::vector<SocketAddress> look_up(const std::string& host, uint16_t port, bool to_listen);
/// Whether `host` is an IP address, which look_up knows without asking.
bool is_ip_address(const std::string& host);

}  // namespace berth::async

// SPDX-License-Identifier: Apache-2.0
#include "async/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "base/error.h"

namespace berth::async {

uint16_t SocketAddress::port() const {
    if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
    return 0;
}

std::string SocketAddress::text() const {
    char buffer[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, buffer,
                    sizeof buffer);
        return fmt::format("{}:{}", buffer, port());
    }
    if (family() == AF_INET6) {
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, buffer,
                    sizeof buffer);
        return fmt::format("[{}]:{}", buffer, port());
    }
    const auto* local = reinterpret_cast<const sockaddr_un*>(&storage);
    return {local->sun_path, ::strnlen(local->sun_path, sizeof local->sun_path)};
}

SocketAddress SocketAddress::of_path(const std::string& path) {
    SocketAddress address;
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (path.size() >= sizeof local->sun_path || path.find('\0') != std::string::npos)
        throw make_error(ErrorKind::invalid_argument, "the path of a unix socket has at most {} bytes: {}",
                         sizeof local->sun_path - 1, path);
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return address;
}

SocketAddress SocketAddress::of_socket(int fd) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0)
        throw errno_error(errno, "getsockname");
    return address;
}

bool is_ip_address(const std::string& host) {
    in6_addr ignored;
    return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

std::vector<SocketAddress> look_up(const std::string& host, uint16_t port, bool to_listen) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
    addrinfo* found = nullptr;
    int code =
        ::getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (code == EAI_NONAME) throw make_error(ErrorKind::unavailable, "lookup {}: no such host", host);
    if (code == EAI_SYSTEM) throw errno_error(errno, "lookup " + host);
    if (code != 0) throw make_error(ErrorKind::unavailable, "lookup {}: {}", host, ::gai_strerror(code));
    std::vector<SocketAddress> addresses;
    for (addrinfo* each = found; each != nullptr; each = each->ai_next) {
        SocketAddress address;
        std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
        address.size = each->ai_addrlen;
        addresses.push_back(address);
    }
    ::freeaddrinfo(found);
    return addresses;
}

}  // namespace berth::async

// SPDX-License-Identifier: Apache-2.0
#include "shim/ports/host_port.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr int kBacklog = 4096;
constexpr int kDefaultReceiveBuffer = 212992;  // net.core.rmem_default

const json::Value& member(const json::Object& object, std::string_view key) {
    static const json::Value kNull;
    const json::Value* value = object.if_contains(key);
    return value != nullptr ? *value : kNull;
}

[[noreturn]] void fail_member(std::string_view key) {
    throw make_error(ErrorKind::invalid_argument, "a port without a valid \"{}\"", key);
}

std::string text_member(const json::Object& object, std::string_view key) {
    const json::Value& value = member(object, key);
    if (!value.is_string()) fail_member(key);
    return std::string(value.get_string());
}

uint16_t port_member(const json::Object& object, std::string_view key) {
    const json::Value& value = member(object, key);
    if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > 65535) fail_member(key);
    return static_cast<uint16_t>(value.get_int64());
}

void parse_address(HostPort& port, const std::string& text, std::string_view key) {
    if (::inet_pton(AF_INET, text.c_str(), port.address.data()) == 1)
        port.family = AF_INET;
    else if (::inet_pton(AF_INET6, text.c_str(), port.address.data()) == 1)
        port.family = AF_INET6;
    else
        fail_member(key);
}

std::string address_text(int family, const void* address) {
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(family, address, text, sizeof text);
    return text;
}

std::string_view protocol_name(uint8_t protocol) {
    if (protocol == IPPROTO_TCP) return "tcp";
    return protocol == IPPROTO_UDP ? "udp" : "sctp";
}

void set_option(int fd, int level, int option, int value) {
    // What a socket lacks can't be in the way.
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

Error bind_error(const HostPort& port, int code) {
    Error error = errno_error(code, "failed to bind host port " + port.text());
    return code == EADDRINUSE ? Error(ErrorKind::conflict, error.what(), code) : error;
}

bool is_lacking(int code) {
    return code == EPROTONOSUPPORT || code == ESOCKTNOSUPPORT || code == EAFNOSUPPORT;
}

/// Empty where the kernel has no such sockets.
UniqueFd make_socket(const HostPort& port) {
    int type = (port.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    UniqueFd fd(::socket(port.family, type, port.protocol));
    if (!fd) {
        int code = errno;
        // An address of a family that the kernel lacks is a mistake; "all of them" are none.
        if (is_lacking(code) && (port.protocol == IPPROTO_SCTP || port.is_unspecified())) return fd;
        throw bind_error(port, code);
    }
    // IPv4 has a socket of its own.
    if (port.family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return fd;
}

bool bind_to(int fd, const HostPort& port) {
    SocketAddress address = port.socket_address();
    return ::bind(fd, address.get(), address.length) == 0;
}

/// Past what connections that ended or outlive their listener leave (TIME_WAIT among it), which a plain bind
/// takes for somebody. A socket that only shares its address politely (SO_REUSEADDR) could be joined by
/// others; having listened once ends that for its port in the kernel's table, and without the option nobody
/// may join it from then on (inet_csk_get_port).
bool bind_past_connections(int fd, const HostPort& port) {
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!bind_to(fd, port) || ::listen(fd, 0) < 0) return false;
    close_reserved(fd, port);
    return true;
}

}  // namespace

SocketAddress HostPort::socket_address() const noexcept {
    SocketAddress result;
    if (family == AF_INET6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(&six.sin6_addr, address.data(), sizeof six.sin6_addr);
        std::memcpy(&result.storage, &six, sizeof six);
        result.length = sizeof six;
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        std::memcpy(&four.sin_addr, address.data(), sizeof four.sin_addr);
        std::memcpy(&result.storage, &four, sizeof four);
        result.length = sizeof four;
    }
    return result;
}

std::string HostPort::text() const {
    std::string host = address_text(family, address.data());
    if (family == AF_INET6) host = "[" + host + "]";
    return fmt::format("{}:{}/{}", host, port, protocol_name(protocol));
}

WantedPort decode_port(const json::Value& value) {
    if (!value.is_object()) throw Error(ErrorKind::invalid_argument, "a port that is no object");
    const json::Object& object = value.get_object();
    WantedPort wanted;
    std::string protocol = text_member(object, "protocol");
    if (protocol == "tcp")
        wanted.port.protocol = IPPROTO_TCP;
    else if (protocol == "udp")
        wanted.port.protocol = IPPROTO_UDP;
    else if (protocol == "sctp")
        wanted.port.protocol = IPPROTO_SCTP;
    else
        fail_member("protocol");
    parse_address(wanted.port, text_member(object, "address"), "address");
    wanted.port.port = port_member(object, "port");
    if (member(object, "to").is_null()) return wanted;
    HostPort target;
    parse_address(target, text_member(object, "to"), "to");
    target.port = port_member(object, "to_port");
    if (wanted.port.protocol != IPPROTO_SCTP) wanted.target = target.socket_address();
    return wanted;
}

json::Object encode_port(const HostPort& port, const std::optional<SocketAddress>& target) {
    json::Object object{{"protocol", protocol_name(port.protocol)},
                        {"address", address_text(port.family, port.address.data())},
                        {"port", port.port}};
    if (!target) return object;
    if (target->family() == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &target->storage, sizeof six);
        object["to"] = address_text(AF_INET6, &six.sin6_addr);
        object["to_port"] = ntohs(six.sin6_port);
    } else {
        sockaddr_in four{};
        std::memcpy(&four, &target->storage, sizeof four);
        object["to"] = address_text(AF_INET, &four.sin_addr);
        object["to_port"] = ntohs(four.sin_port);
    }
    return object;
}

UniqueFd reserve(const HostPort& port) {
    UniqueFd fd = make_socket(port);
    if (!fd) return fd;
    bool bound = bind_to(fd.get(), port);
    if (!bound && errno == EADDRINUSE && port.protocol == IPPROTO_TCP) {
        fd = make_socket(port);
        bound = bind_past_connections(fd.get(), port);
    }
    if (!bound) throw bind_error(port, errno);
    // Nobody reads what comes: the least that the kernel allows is kept.
    if (port.protocol == IPPROTO_UDP) set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, 0);
    return fd;
}

void open_reserved(int socket, const HostPort& port) {
    if (port.protocol == IPPROTO_UDP) {
        set_option(socket, SOL_SOCKET, SO_RCVBUF, kDefaultReceiveBuffer / 2);  // the kernel doubles it
        return;
    }
    // Inherited by its connections: what is left of them isn't in the way of the next listener.
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (::listen(socket, kBacklog) < 0) throw bind_error(port, errno);
}

void close_reserved(int socket, const HostPort& port) noexcept {
    if (port.protocol == IPPROTO_UDP) {
        set_option(socket, SOL_SOCKET, SO_RCVBUF, 0);
        return;
    }
    // A listener that is shut down is a bound socket again (inet_shutdown).
    (void)::shutdown(socket, SHUT_RD);
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 0);
}

}  // namespace berth::shim

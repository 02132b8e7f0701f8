// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "net/address.h"
#include "net/link.h"
#include "net/namespace.h"
#include "sys/file.h"

namespace berth::net {

/// A test that runs in a network namespace of its own, with lo up: its host.
class NamespaceTest : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
        before_ = sys::open_file("/proc/thread-self/ns/net", O_RDONLY);
        try {
            host_ = make_namespace();
        } catch (const Error& error) {
            GTEST_SKIP() << "no network namespace can be made here: " << error.what();
        }
        ASSERT_EQ(setns(host_.get(), CLONE_NEWNET), 0);
        try {
            PreparedNamespace probe = make_namespace("probe0");
            remove_link("probe0");
        } catch (const Error& error) {
            GTEST_SKIP() << "the kernel makes no veth devices: " << error.what();
        }
    }
    void TearDown() override {
        if (before_) ASSERT_EQ(setns(before_.get(), CLONE_NEWNET), 0);
    }

    static IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
    static Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }
    static std::string sysctl(const std::string& path) {
        std::string value = sys::read_file("/proc/sys/net/" + path);
        return value.substr(0, value.find('\n'));
    }

    UniqueFd before_, host_;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

inline SocketAddress socket_address(const IpAddress& address, uint16_t port) {
    SocketAddress result;
    if (address.is_v4()) {
        sockaddr_in one{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
        memcpy(&one.sin_addr, address.bytes.data(), 4);
        memcpy(&result.storage, &one, result.size = sizeof(one));
    } else {
        sockaddr_in6 one{};
        one.sin6_family = AF_INET6;
        one.sin6_port = htons(port);
        memcpy(&one.sin6_addr, address.bytes.data(), 16);
        memcpy(&result.storage, &one, result.size = sizeof(one));
    }
    return result;
}

inline UniqueFd bound_socket(int type, const IpAddress& address, uint16_t port) {
    UniqueFd fd(sys::check(socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0), "socket"));
    SocketAddress to = socket_address(address, port);
    sys::check(bind(fd.get(), reinterpret_cast<sockaddr*>(&to.storage), to.size), "bind");
    if (type == SOCK_STREAM) sys::check(listen(fd.get(), 8), "listen");
    return fd;
}

/// 0 where a TCP connection to the address comes about within `limit_ms`, else errno.
inline int connect_to(const IpAddress& address, uint16_t port, int limit_ms = 5000) {
    UniqueFd fd(sys::check(
        socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        "socket"));
    SocketAddress to = socket_address(address, port);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to.storage), to.size) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd wait{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    if (poll(&wait, 1, limit_ms) != 1) return ETIMEDOUT;
    int code = 0;
    socklen_t size = sizeof(code);
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    return code;
}

}  // namespace berth::net

// SPDX-License-Identifier: Apache-2.0
#include "shim/ports/host_port.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/error.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

HostPort port_of(std::string_view protocol, std::string_view address, int port) {
    return decode_port(json::Object{{"protocol", protocol}, {"address", address}, {"port", port}}).port;
}

/// A socket as other programs make them. Empty: errno says why.
UniqueFd others(const HostPort& port, bool polite, bool listens) {
    int type = port.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    UniqueFd fd(::socket(port.family, type | SOCK_CLOEXEC, 0));
    int on = polite ? 1 : 0;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    SocketAddress address = port.socket_address();
    if (::bind(fd.get(), address.get(), address.length) < 0 || (listens && ::listen(fd.get(), 10) < 0))
        fd.reset();
    return fd;
}

UniqueFd connect_to(const HostPort& port) {
    UniqueFd fd(::socket(port.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress address = port.socket_address();
    if (::connect(fd.get(), address.get(), address.length) < 0) fd.reset();
    return fd;
}

std::pair<ErrorKind, std::string> refusal(const HostPort& port) {
    try {
        UniqueFd fd = reserve(port);
    } catch (const Error& error) {
        return {error.kind(), error.what()};
    }
    return {ErrorKind::internal, ""};
}

/// In a network namespace of its own: all ports are free.
class HostPorts : public testing::Test {
  protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNET) < 0) GTEST_SKIP() << "needs a network namespace: " << errno_text(errno);
        UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        request.ifr_name[0] = 'l';
        request.ifr_name[1] = 'o';
        request.ifr_flags = IFF_UP;
        ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0);
    }
};

TEST(HostPort, DecodesAndEncodes) {
    json::Object object{
        {"protocol", "tcp"}, {"address", "::1"}, {"port", 80}, {"to", "172.17.0.2"}, {"to_port", 8080}};
    WantedPort wanted = decode_port(object);
    EXPECT_EQ(wanted.port.text(), "[::1]:80/tcp");
    EXPECT_EQ(json::print(encode_port(wanted.port, wanted.target)), json::print(object));
    object["to"] = "fd00::2";
    EXPECT_EQ(json::print(encode_port(wanted.port, decode_port(object).target)), json::print(object));
    EXPECT_FALSE(
        decode_port(
            json::Object{
                {"protocol", "sctp"}, {"address", "0.0.0.0"}, {"port", 1}, {"to", "1.2.3.4"}, {"to_port", 1}})
            .target);
    for (const char* text : {R"([])", R"({"protocol":"icmp","address":"::","port":1})",
                             R"({"protocol":"tcp","address":"localhost","port":1})",
                             R"({"protocol":"tcp","address":"::","port":0})",
                             R"({"protocol":"tcp","address":"::","port":65536})",
                             R"({"protocol":"tcp","address":"::","port":1,"to":"x","to_port":1})",
                             R"({"protocol":"tcp","address":"::","port":1,"to":"::1"})"})
        EXPECT_THROW(decode_port(json::parse(text)), Error) << text;
}

TEST_F(HostPorts, NobodyCanBindWhatIsReserved) {
    for (const char* protocol : {"tcp", "udp"}) {
        HostPort any = port_of(protocol, "0.0.0.0", 8080), lo = port_of(protocol, "127.0.0.1", 8080);
        UniqueFd held = reserve(any);
        for (bool polite : {false, true}) {
            bool tcp = any.protocol == IPPROTO_TCP;
            EXPECT_FALSE(others(any, polite, tcp)) << protocol << polite;
            EXPECT_FALSE(others(lo, polite, tcp)) << protocol << polite;
        }
        EXPECT_TRUE(others(port_of(protocol, "::1", 8080), false, false)) << "IPv6 is apart";
        EXPECT_EQ(refusal(lo).first, ErrorKind::conflict);
        held.reset();
        EXPECT_TRUE(others(any, false, false));
    }
}

TEST_F(HostPorts, FindsPrograms) {
    struct Case {
        const char *theirs, *ours;
        bool conflict;
    };
    for (Case c : {Case{"0.0.0.0", "0.0.0.0", true}, Case{"0.0.0.0", "127.0.0.1", true},
                   Case{"127.0.0.1", "0.0.0.0", true}, Case{"127.0.0.1", "127.0.0.2", false},
                   Case{"::", "::", true}, Case{"::", "0.0.0.0", true}, Case{"::1", "0.0.0.0", false},
                   Case{"::1", "::", true}, Case{"0.0.0.0", "::", false}}) {
        for (bool polite : {false, true}) {
            UniqueFd program = others(port_of("tcp", c.theirs, 8080), polite, true);
            ASSERT_TRUE(program);
            auto [kind, text] = refusal(port_of("tcp", c.ours, 8080));
            EXPECT_EQ(!text.empty(), c.conflict) << c.theirs << " " << c.ours << " " << text;
            if (c.conflict) EXPECT_EQ(kind, ErrorKind::conflict);
        }
    }
    UniqueFd program = others(port_of("tcp", "0.0.0.0", 8080), true, true);
    EXPECT_EQ(refusal(port_of("tcp", "0.0.0.0", 8080)).second,
              "failed to bind host port 0.0.0.0:8080/tcp: address already in use");
    EXPECT_EQ(refusal(port_of("tcp", "10.9.8.7", 8080)).second,
              "failed to bind host port 10.9.8.7:8080/tcp: cannot assign requested address");
}

TEST_F(HostPorts, WhatConnectionsLeaveIsNotInTheWay) {
    HostPort any = port_of("tcp", "0.0.0.0", 8080), lo = port_of("tcp", "127.0.0.1", 8080);
    UniqueFd held = reserve(any);
    EXPECT_FALSE(connect_to(lo));
    open_reserved(held.get(), any);
    UniqueFd client = connect_to(lo);
    ASSERT_TRUE(client);
    pollfd waiting{held.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
    UniqueFd server(::accept4(held.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(server);
    for (bool time_wait : {false, true}) {
        held.reset();
        held = reserve(any);
        EXPECT_FALSE(others(any, true, true)) << "nobody can join";
        EXPECT_FALSE(others(lo, true, true));
        EXPECT_FALSE(connect_to(lo)) << "it doesn't listen";
        open_reserved(held.get(), any);
        EXPECT_TRUE(connect_to(lo));
        close_reserved(held.get(), any);
        EXPECT_FALSE(connect_to(lo));
        EXPECT_FALSE(others(any, true, true));
        if (time_wait) break;
        server.reset();  // the first to close is the one in TIME_WAIT
        client.reset();
    }
}

TEST_F(HostPorts, WhatTheKernelLacksIsHeldByNobody) {
    UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
    UniqueFd held = reserve(port_of("sctp", "0.0.0.0", 8080));
    EXPECT_EQ(static_cast<bool>(held), static_cast<bool>(probe));
}

}  // namespace
}  // namespace berth::shim

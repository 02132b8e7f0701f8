// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_fixture.h"

namespace berth::shim {
namespace {

TEST(Proxy, ServesIpv6AndSeveralPairs) {
    UniqueFd v6(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    if (!v6 || ::bind(v6.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        GTEST_SKIP() << "no IPv6 on this machine";
    ASSERT_EQ(::listen(v6.get(), 10), 0);
    socklen_t length = sizeof address;
    ::getsockname(v6.get(), reinterpret_cast<sockaddr*>(&address), &length);
    UniqueFd v4 = make_server(SOCK_STREAM), target = make_server(SOCK_STREAM), udp = make_server(SOCK_DGRAM),
             udp_target = make_server(SOCK_DGRAM);
    // 127.0.0.1 → [::1] → the target; and UDP beside them.
    Proxy proxy({{v6.get(), tcp_to(target)},
                 {v4.get(), fmt::format("tcp:[::1]:{}", ntohs(address.sin6_port))},
                 {udp.get(), udp_to(udp_target)}});
    UniqueFd client = connect_to(port_of(v4));
    UniqueFd server = accept_from(target);
    send_text(client, "through");
    EXPECT_EQ(receive(server, 7), "through");
    UniqueFd datagrams = connect_to(port_of(udp), SOCK_DGRAM);
    send_text(datagrams, "d");
    char text[10];
    EXPECT_EQ(::recv(udp_target.get(), text, sizeof text, 0), 1);
}

TEST(Proxy, Ipv6DatagramsAreAnsweredFromTheirAddress) {
    UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        GTEST_SKIP() << "no IPv6 on this machine";
    socklen_t length = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
    UniqueFd target = make_server(SOCK_DGRAM);
    Proxy proxy({{socket.get(), udp_to(target)}});
    UniqueFd six(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    address.sin6_addr = in6addr_loopback;
    if (::connect(six.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        GTEST_SKIP() << "no [::1] on this machine";
    // The socket is for both families: the second client comes as ::ffff:127.0.0.2.
    UniqueFd four = connect_to(ntohs(address.sin6_port), SOCK_DGRAM, "127.0.0.2");
    for (const UniqueFd* client : {&six, &four}) {
        char text[10];
        sockaddr_in from{};
        length = sizeof from;
        send_text(*client, "ask");
        ASSERT_EQ(::recvfrom(target.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length),
                  3);
        ASSERT_EQ(::sendto(target.get(), "reply", 5, 0, reinterpret_cast<sockaddr*>(&from), length), 5);
        ASSERT_EQ(::recv(client->get(), text, sizeof text, 0), 5);
    }
}

TEST(Proxy, WrongCommandLines) {
    UniqueFd tcp = make_server(SOCK_STREAM), udp = make_server(SOCK_DGRAM),
             file = sys::open_file("/dev/null", O_RDONLY);
    EXPECT_EQ(Proxy({}).wait(), 2);
    EXPECT_EQ(Proxy({}, {"--listen-fd", "3"}).wait(), 2);
    EXPECT_EQ(Proxy({}, {"--to", "tcp:127.0.0.1:80"}).wait(), 2);
    for (const char* target : {"127.0.0.1:80", "sctp:127.0.0.1:80", "tcp:127.0.0.1", "tcp:localhost:80",
                               "tcp:::1:80", "tcp:127.0.0.1:0", "tcp:127.0.0.1:65536", ""})
        EXPECT_EQ(Proxy({{tcp.get(), target}}).wait(), 2) << target;
    EXPECT_EQ(Proxy({{tcp.get(), "udp:127.0.0.1:80"}}).wait(), 1);
    EXPECT_EQ(Proxy({{udp.get(), "tcp:127.0.0.1:80"}}).wait(), 1);
    EXPECT_EQ(Proxy({{file.get(), "tcp:127.0.0.1:80"}}).wait(), 1);
}

}  // namespace
}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_fixture.h"

namespace berth::shim {
namespace {

TEST(UdpProxy, AnswersComeFromTheAddressThatWasAsked) {
    UniqueFd socket = make_server(SOCK_DGRAM, "0.0.0.0"), target = make_server(SOCK_DGRAM);
    uint16_t port = port_of(socket);
    Proxy proxy({{socket.get(), udp_to(target)}});
    // Connected sockets: they see only what comes from the address that they sent to.
    UniqueFd one = connect_to(port, SOCK_DGRAM, "127.0.0.1"), two = connect_to(port, SOCK_DGRAM, "127.0.0.2");
    for (int round = 0; round < 2; ++round) {
        for (const UniqueFd* client : {&one, &two}) {
            send_text(*client, "question");
            char text[100];
            sockaddr_in from{};
            socklen_t length = sizeof from;
            ASSERT_EQ(
                ::recvfrom(target.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length),
                8);
            ASSERT_EQ(::sendto(target.get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), length), 6);
            ASSERT_EQ(::recv(client->get(), text, sizeof text, 0), 6);
        }
    }
    EXPECT_EQ(proxy.descriptors(), 8U) << "std 3, socket, epoll, signalfd and one for each client";
}

TEST(UdpProxy, LargeAndEmptyDatagrams) {
    UniqueFd socket = make_server(SOCK_DGRAM), target = make_server(SOCK_DGRAM);
    Proxy proxy({{socket.get(), udp_to(target)}});
    UniqueFd client = connect_to(port_of(socket), SOCK_DGRAM);
    std::string text(65535, '\0');
    for (size_t size : {size_t{0}, size_t{1}, size_t{1472}, size_t{65507}}) {
        std::string data = pattern(size);
        ASSERT_EQ(::send(client.get(), data.data(), size, 0), static_cast<ssize_t>(size));
        ssize_t got = ::recv(target.get(), text.data(), text.size(), 0);
        ASSERT_EQ(got, static_cast<ssize_t>(size));
        ASSERT_TRUE(text.substr(0, size) == data);
    }
}

TEST(UdpProxy, IdleSessionsEnd) {
    UniqueFd socket = make_server(SOCK_DGRAM), target = make_server(SOCK_DGRAM);
    Proxy proxy({{socket.get(), udp_to(target)}}, {"--idle-timeout", "1"});
    UniqueFd client = connect_to(port_of(socket), SOCK_DGRAM);
    char text[10];
    send_text(client, "a");
    ASSERT_EQ(::recv(target.get(), text, sizeof text, 0), 1);
    EXPECT_EQ(proxy.descriptors(), 7U);
    EXPECT_TRUE(Proxy::eventually([&] { return proxy.descriptors() == 6; }));
    send_text(client, "b");
    EXPECT_EQ(::recv(target.get(), text, sizeof text, 0), 1);
}

TEST(UdpProxy, TheOldestOfTooManySessionsIsDropped) {
    ManyDescriptors many(1200);
    if (!many.enough()) GTEST_SKIP() << "too few descriptors";
    UniqueFd socket = make_server(SOCK_DGRAM), target = make_server(SOCK_DGRAM);
    uint16_t port = port_of(socket);
    Proxy proxy({{socket.get(), udp_to(target)}});
    char text[10];
    auto ask = [&](const UniqueFd& client) {
        sockaddr_in from{};
        socklen_t length = sizeof from;
        send_text(client, "x");
        EXPECT_EQ(::recvfrom(target.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length),
                  1);
        return from;
    };
    UniqueFd first = connect_to(port, SOCK_DGRAM), second = connect_to(port, SOCK_DGRAM);
    sockaddr_in first_from = ask(first), second_from = ask(second);
    EXPECT_EQ(ask(first).sin_port, first_from.sin_port);  // used again: the second is the oldest now
    std::vector<UniqueFd> others;                         // open, so that no port comes twice
    for (int i = 0; i < 1023; ++i) {
        others.push_back(connect_to(port, SOCK_DGRAM));
        ask(others.back());
    }
    EXPECT_EQ(proxy.descriptors(), 1024U + 6U);
    EXPECT_EQ(ask(first).sin_port, first_from.sin_port);
    EXPECT_EQ(
        ::sendto(target.get(), "y", 1, 0, reinterpret_cast<sockaddr*>(&second_from), sizeof second_from), 1);
    ask(second);
    EXPECT_EQ(::recv(second.get(), text, sizeof text, MSG_DONTWAIT), -1) << "its session was gone";
}

TEST(UdpProxy, ADeadTargetStopsNothing) {
    UniqueFd socket = make_server(SOCK_DGRAM), target = make_server(SOCK_DGRAM);
    uint16_t port = port_of(target);
    Proxy proxy({{socket.get(), udp_to(target)}});
    UniqueFd client = connect_to(port_of(socket), SOCK_DGRAM);
    target.reset();
    for (int i = 0; i < 3; ++i) send_text(client, "lost");
    UniqueFd again(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of(port);
    EXPECT_TRUE(Proxy::eventually([&] { return proxy.descriptors() == 7 && proxy.state() == 'S'; }));
    ASSERT_EQ(::bind(again.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    send_text(client, "found");
    char text[10];
    EXPECT_EQ(::recv(again.get(), text, sizeof text, 0), 5);
}

}  // namespace
}  // namespace berth::shim

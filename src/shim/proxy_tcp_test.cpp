// SPDX-License-Identifier: Apache-2.0
#include <netinet/tcp.h>

#include <thread>

#include "shim/proxy_fixture.h"

namespace berth::shim {
namespace {

class TcpProxyTest : public testing::Test {
  protected:
    TcpProxyTest()
        : listener_(make_server(SOCK_STREAM)), target_(make_server(SOCK_STREAM)), port_(port_of(listener_)) {
        ::signal(SIGPIPE, SIG_IGN);
    }
    void start(rlim_t descriptors = 0) {
        proxy_ = std::make_unique<Proxy>(
            std::vector<std::pair<int, std::string>>{{listener_.get(), tcp_to(target_)}},
            std::vector<std::string>{}, descriptors);
        listener_.reset();
    }
    /// Both ends of a new connection through the proxy.
    std::pair<UniqueFd, UniqueFd> connection() {
        UniqueFd client = connect_to(port_);
        return {std::move(client), accept_from(target_)};
    }

    UniqueFd listener_;
    UniqueFd target_;
    uint16_t port_;
    std::unique_ptr<Proxy> proxy_;
};

TEST_F(TcpProxyTest, PassesBytesBothWays) {
    start();
    auto [client, server] = connection();
    send_text(client, "ping");
    EXPECT_EQ(receive(server, 4), "ping");
    send_text(server, "pong");
    EXPECT_EQ(receive(client, 4), "pong");
}

TEST_F(TcpProxyTest, PassesMuchAtOnceBothWays) {
    start();
    auto [client, server] = connection();
    std::string up = pattern(20'000'000), down = pattern(15'000'000) + "end";
    std::thread send_up([&] { send_text(client, up); });
    std::thread send_down([&] { send_text(server, down); });
    std::string got_up;
    std::thread receive_up([&] { got_up = receive(server, up.size()); });
    EXPECT_TRUE(receive(client, down.size()) == down);
    send_up.join();
    send_down.join();
    receive_up.join();
    EXPECT_TRUE(got_up == up);
}

TEST_F(TcpProxyTest, HalfCloseOfTheClient) {
    start();
    auto [client, server] = connection();
    send_text(client, "request");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(receive(server, 100), "request");
    send_text(server, "answer");
    server.reset();
    EXPECT_EQ(receive(client, 100), "answer");
    EXPECT_EQ(end_of(client), 0);
}

TEST_F(TcpProxyTest, HalfCloseOfTheTarget) {
    start();
    auto [client, server] = connection();
    send_text(server, "banner");
    ::shutdown(server.get(), SHUT_WR);
    EXPECT_EQ(receive(client, 100), "banner");
    send_text(client, "thanks");
    client.reset();
    EXPECT_EQ(receive(server, 100), "thanks");
    EXPECT_EQ(end_of(server), 0);
}

TEST_F(TcpProxyTest, ARefusedConnectionIsReset) {
    start();
    target_.reset();
    UniqueFd client = connect_to(port_);
    ASSERT_TRUE(client);
    EXPECT_EQ(end_of(client), ECONNRESET);
}

TEST_F(TcpProxyTest, AResetIsPassedOn) {
    start();
    auto [client, server] = connection();
    send_text(server, "x");
    receive(client, 1);
    reset_socket(server);
    EXPECT_EQ(end_of(client), ECONNRESET);
    auto [client2, server2] = connection();
    send_text(client2, "x");
    receive(server2, 1);
    reset_socket(client2);
    EXPECT_EQ(end_of(server2), ECONNRESET);
}

TEST_F(TcpProxyTest, AResetIsPassedOnThoughNothingIsRead) {
    start();
    auto [client, server] = connection();
    // The target reads nothing: the proxy holds bytes and waits for nothing of the client.
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    std::string block = pattern(1 << 20);
    ASSERT_TRUE(Proxy::eventually([&] { return ::send(client.get(), block.data(), block.size(), 0) < 0; }));
    reset_socket(client);
    EXPECT_EQ(end_of(server), ECONNRESET);
}

TEST_F(TcpProxyTest, ASlowReceiverHoldsUpTheSenderOnly) {
    start();
    auto [client, server] = connection();
    // Connected to the target, and what that took is there.
    send_text(client, "x");
    receive(server, 1);
    size_t idle = proxy_->descriptors();
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    std::string block = pattern(1 << 20);
    size_t sent = 0;
    // Full for good when the proxy sleeps and nothing more goes in.
    EXPECT_TRUE(Proxy::eventually([&] {
        ssize_t put = ::send(client.get(), block.data(), block.size(), 0);
        if (put > 0) sent += static_cast<size_t>(put);
        return put < 0 && proxy_->state() == 'S';
    }));
    EXPECT_LE(proxy_->descriptors(), idle + 4) << "a pipe that is full and one for others";
    auto [client2, server2] = connection();
    send_text(client2, "quick");
    EXPECT_EQ(receive(server2, 5), "quick");
    ::shutdown(client.get(), SHUT_WR);
    size_t received = 0;
    char buffer[65536];
    for (ssize_t got; (got = ::recv(server.get(), buffer, sizeof buffer, 0)) > 0;)
        received += static_cast<size_t>(got);
    EXPECT_EQ(received, sent);
}

TEST_F(TcpProxyTest, SleepsWhileAFinishedTargetsBytesWaitForTheClient) {
    start();
    auto [client, server] = connection();
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(end_of(server), 0);
    int size = 100'000;
    ::setsockopt(server.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ::fcntl(server.get(), F_SETFL, O_NONBLOCK);
    std::string block = pattern(1 << 16), buffer(1 << 16, '\0');
    size_t sent = 0, received = 0;
    ASSERT_TRUE(Proxy::eventually([&] {
        ssize_t put = ::send(server.get(), block.data(), block.size(), 0);
        if (put > 0) sent += static_cast<size_t>(put);
        return put < 0 && proxy_->state() == 'S';
    }));
    ::shutdown(server.get(), SHUT_WR);
    // The client reads just until the target's FIN has come to the proxy, behind bytes that the proxy can't
    // take yet: a hang-up, which epoll reports without end.
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    ASSERT_TRUE(Proxy::eventually([&] {
        tcp_info info{};
        socklen_t length = sizeof info;
        ::getsockopt(server.get(), IPPROTO_TCP, TCP_INFO, &info, &length);
        if (info.tcpi_state == TCP_CLOSE) return true;
        ssize_t got = ::recv(client.get(), buffer.data(), buffer.size(), 0);
        if (got > 0) received += static_cast<size_t>(got);
        return false;
    }));
    EXPECT_TRUE(Proxy::eventually([&] { return proxy_->state() == 'S'; }));
    ::fcntl(client.get(), F_SETFL, 0);
    EXPECT_LT(received, sent);
    for (ssize_t got; (got = ::recv(client.get(), buffer.data(), buffer.size(), 0)) > 0;)
        received += static_cast<size_t>(got);
    EXPECT_EQ(received, sent);
}

TEST_F(TcpProxyTest, ThousandsOfConnectionsNeedNoPipes) {
    constexpr size_t kCount = 2000;
    ManyDescriptors many(2 * kCount + 100);
    if (!many.enough()) GTEST_SKIP() << "too few descriptors";
    start();
    std::vector<std::pair<UniqueFd, UniqueFd>> connections;
    for (size_t i = 0; i < kCount; ++i) {
        connections.push_back(connection());
        send_text(connections.back().first, "hello");
    }
    for (auto& [client, server] : connections) {
        ASSERT_EQ(receive(server, 5), "hello");
        send_text(server, "again");
        ASSERT_EQ(receive(client, 5), "again");
    }
    EXPECT_LE(proxy_->descriptors(), 2 * kCount + 15);
    connections.clear();
    EXPECT_TRUE(Proxy::eventually([&] { return proxy_->descriptors() <= 15; }));
}

TEST_F(TcpProxyTest, WithoutDescriptorsClientsWait) {
    NEEDS_NO_SANITIZER();
    start(30);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 60; ++i) {
        clients.push_back(connect_to(port_));
        send_text(clients.back(), "hello");
    }
    // All are served in the end, a few at a time, none is refused.
    for (int i = 0; i < 60; ++i) {
        UniqueFd server = accept_from(target_);
        ASSERT_EQ(receive(server, 5), "hello");
        send_text(server, "bye");
        server.reset();
        ASSERT_EQ(receive(clients[static_cast<size_t>(i)], 100), "bye") << i;
        clients[static_cast<size_t>(i)].reset();
    }
}

TEST_F(TcpProxyTest, WithoutPipesBytesAreCopied) {
    NEEDS_NO_SANITIZER();
    // std 3, listener, epoll, signalfd and the two of one connection.
    start(8);
    auto [client, server] = connection();
    std::string up = pattern(3'000'000);
    std::thread sender([&] {
        send_text(client, up);
        ::shutdown(client.get(), SHUT_WR);
    });
    EXPECT_TRUE(receive(server, up.size()) == up);
    sender.join();
    EXPECT_EQ(end_of(server), 0);
    EXPECT_EQ(proxy_->descriptors(), 8U);
}

TEST_F(TcpProxyTest, TermDrains) {
    start();
    auto [client, server] = connection();
    send_text(client, "x");
    receive(server, 1);
    proxy_->signal(SIGHUP);
    proxy_->signal(SIGTERM);
    EXPECT_TRUE(Proxy::eventually([&] { return !connect_to(port_); }));
    send_text(client, "more");
    EXPECT_EQ(receive(server, 4), "more");
    send_text(server, "answer");
    server.reset();
    EXPECT_EQ(receive(client, 100), "answer");
    client.reset();
    target_.reset();  // and with it what came through before the signal
    EXPECT_EQ(proxy_->wait(), 0);
}

TEST_F(TcpProxyTest, ASecondTermEndsAtOnce) {
    start();
    auto [client, server] = connection();
    proxy_->signal(SIGTERM);
    EXPECT_TRUE(Proxy::eventually([&] { return !connect_to(port_); }));
    proxy_->signal(SIGTERM);
    EXPECT_EQ(proxy_->wait(), 0);
    EXPECT_EQ(end_of(client), ECONNRESET);
}

TEST_F(TcpProxyTest, LeadsItsOwnSession) {
    start();
    connection();
    EXPECT_EQ(::getsid(proxy_->pid()), proxy_->pid());
}

}  // namespace
}  // namespace berth::shim

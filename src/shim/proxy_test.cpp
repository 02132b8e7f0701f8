// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

sockaddr_in address_of(uint16_t port, const char* host = "127.0.0.1") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

/// A socket at any port of `host`; TCP ones listen.
UniqueFd make_server(int type, const char* host = "127.0.0.1") {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of(0, host);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) EXPECT_EQ(::listen(fd.get(), 4096), 0);
    return fd;
}

uint16_t port_of(const UniqueFd& fd) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
}

UniqueFd connect_to(uint16_t port, int type = SOCK_STREAM, const char* host = "127.0.0.1") {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address = address_of(port, host);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fd.reset();
    return fd;
}

UniqueFd accept_from(const UniqueFd& listener) {
    return UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

void send_text(const UniqueFd& fd, std::string_view text) {
    sys::write_all(fd.get(), text, "socket");
}

std::string receive(const UniqueFd& fd, size_t size) {
    std::string text(size, '\0');
    ssize_t got = ::recv(fd.get(), text.data(), size, MSG_WAITALL);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
}

/// What recv says at last: 0 for EOF, else the errno.
int end_of(const UniqueFd& fd) {
    char block[4096];
    while (true) {
        ssize_t got = ::recv(fd.get(), block, sizeof block, 0);
        if (got <= 0) return got == 0 ? 0 : errno;
    }
}

void reset_socket(UniqueFd& fd) {
    linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd.reset();
}

std::string pattern(size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
    return text;
}

/// proxy_main in a forked child. The sockets become its descriptors from 3 on.
class Proxy {
  public:
    Proxy(std::vector<std::pair<int, std::string>> pairs, std::vector<std::string> more = {},
          rlim_t descriptors = 0) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        std::vector<std::string> words{"proxy"};
        int next = 100;
        for (auto& [fd, target] : pairs) ::dup2(fd, next++);
        int end = 3;
        for (int fd = 100; fd < next; ++fd, ++end) {
            ::dup2(fd, end);
            words.insert(words.end(), {"--listen-fd", std::to_string(end), "--to",
                                       pairs[static_cast<size_t>(fd) - 100].second});
        }
        ::close_range(static_cast<unsigned>(end), ~0U, 0);
        if (descriptors != 0) {
            rlimit limit{descriptors, descriptors};
            ::setrlimit(RLIMIT_NOFILE, &limit);
        }
        words.insert(words.end(), more.begin(), more.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        ::_exit(proxy_main(static_cast<int>(words.size()), argv.data()));
    }
    ~Proxy() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    pid_t pid() const { return pid_; }
    void signal(int number) const { ::kill(pid_, number); }
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    size_t descriptors() const {
        return sys::list_dir(sys::open_file(fmt::format("/proc/{}/fd", pid_), O_RDONLY | O_DIRECTORY).get())
            .size();
    }
    char state() const {
        std::string stat = sys::read_file(fmt::format("/proc/{}/stat", pid_));
        return stat[stat.rfind(')') + 2];
    }
    /// Polls: what happens in another process has no event here.
    template <typename Condition>
    static bool eventually(Condition&& condition) {
        for (int i = 0; i < 2000; ++i) {
            if (condition()) return true;
            ::usleep(5000);
        }
        return false;
    }

  private:
    pid_t pid_ = -1;
};

/// UBSan's check of virtual calls opens a pipe to look at memory: it reports what is fine where there is no
/// descriptor.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEEDS_NO_SANITIZER() GTEST_SKIP() << "the sanitizer needs descriptors itself"
#endif
#endif
#ifndef NEEDS_NO_SANITIZER
#define NEEDS_NO_SANITIZER() (void)0
#endif

/// Raises this process's limit for a while.
class ManyDescriptors {
  public:
    explicit ManyDescriptors(rlim_t wanted) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit high{std::max(before_.rlim_cur, std::min(wanted, before_.rlim_max)), before_.rlim_max};
        enough_ = high.rlim_cur >= wanted && ::setrlimit(RLIMIT_NOFILE, &high) == 0;
    }
    ~ManyDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    bool enough() const { return enough_; }

  private:
    rlimit before_{};
    bool enough_ = false;
};

std::string tcp_to(const UniqueFd& server) {
    return fmt::format("tcp:127.0.0.1:{}", port_of(server));
}
std::string udp_to(const UniqueFd& server) {
    return fmt::format("udp:127.0.0.1:{}", port_of(server));
}

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
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    std::string block = pattern(1 << 20);
    size_t sent = 0;
    // Full for good when the proxy sleeps and nothing more goes in.
    EXPECT_TRUE(Proxy::eventually([&] {
        ssize_t put = ::send(client.get(), block.data(), block.size(), 0);
        if (put > 0) sent += static_cast<size_t>(put);
        return put < 0 && proxy_->state() == 'S';
    }));
    EXPECT_LE(proxy_->descriptors(), 13U)
        << "std 3, listener, epoll, signalfd, spare socket, 2 sockets, a pipe that is "
           "full and one for others";
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

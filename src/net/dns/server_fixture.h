// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "async/thread.h"
#include "base/error.h"
#include "net/dns/answer.h"
#include "net/dns/message_fixture.h"
#include "net/dns/server.h"
#include "net/namespace.h"
#include "sys/file.h"

/// The server over real sockets: two namespaces, the "host's", where the loop's thread and the host's
/// resolver run, and a container's.
namespace berth::net {

using dns::Bytes;
using dns::Reply;

inline IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

inline sockaddr_in v4(std::string_view text, uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::string copy(text);
    EXPECT_EQ(::inet_pton(AF_INET, copy.c_str(), &address.sin_addr), 1);
    return address;
}

/// A socket whose reads and writes give up after a while, so that a failure ends.
inline UniqueFd make_socket(int type, const sockaddr_in* bind_to, const sockaddr_in* connect_to) {
    UniqueFd socket(sys::check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket"));
    timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int one = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind_to != nullptr)
        sys::check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(bind_to), sizeof *bind_to), "bind");
    if (connect_to != nullptr)
        sys::check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(connect_to), sizeof *connect_to),
                   "connect");
    return socket;
}

inline void send_bytes(int socket, const Bytes& bytes) {
    ASSERT_EQ(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
}

inline Bytes receive_packet(int socket) {
    Bytes bytes(65536);
    ssize_t size = ::recv(socket, bytes.data(), bytes.size(), 0);
    EXPECT_GE(size, 0) << errno_text(errno);
    bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return bytes;
}

inline Bytes framed(const Bytes& message) {
    Bytes bytes;
    dns::append16(bytes, static_cast<uint16_t>(message.size()));
    bytes.insert(bytes.end(), message.begin(), message.end());
    return bytes;
}

/// Empty at the end.
inline Bytes receive_framed(int socket) {
    uint8_t head[2];
    if (::recv(socket, head, 2, MSG_WAITALL) != 2) return {};
    Bytes bytes(dns::get16(head, 0));
    EXPECT_EQ(::recv(socket, bytes.data(), bytes.size(), MSG_WAITALL), ssize_t(bytes.size()));
    return bytes;
}

/// Another DNS server, on a thread. It answers what `handler` gives: no, one or several messages.
class OtherServer {
  public:
    struct Asked {
        Bytes packet;
        dns::Query query;
        bool by_tcp = false;
        uint16_t port = 0;  ///< of who asks
    };
    using Answers = std::vector<Bytes>;
    using Handler = std::function<Answers(const Asked&)>;

    /// In the present namespace.
    OtherServer(std::string_view address, Handler handler) : handler_(std::move(handler)) {
        sockaddr_in at = v4(address, 53);
        udp_ = make_socket(SOCK_DGRAM, &at, nullptr);
        tcp_ = make_socket(SOCK_STREAM, &at, nullptr);
        sys::check(::listen(tcp_.get(), 8), "listen");
        stop_ = UniqueFd(sys::check(::eventfd(0, EFD_CLOEXEC), "eventfd"));
        thread_ = std::thread([this] { run(); });
    }
    ~OtherServer() {
        (void)!::eventfd_write(stop_.get(), 1);
        thread_.join();
    }
    std::vector<Asked> asked() {
        std::lock_guard lock(mutex_);
        return asked_;
    }

  private:
    void run() {
        pollfd fds[] = {{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
        while (::poll(fds, 3, -1) > 0 && fds[0].revents == 0) {
            if (fds[1].revents != 0) serve_udp();
            if (fds[2].revents != 0) serve_tcp();
        }
    }
    void serve_udp() {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        Bytes packet(65536);
        ssize_t got = ::recvfrom(udp_.get(), packet.data(), packet.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &size);
        ASSERT_GT(got, 0);
        packet.resize(static_cast<size_t>(got));
        for (const Bytes& answer : handle(packet, false, ntohs(peer.sin_port)))
            ::sendto(udp_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
    void serve_tcp() {
        UniqueFd connection(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Bytes packet = receive_framed(connection.get());
        if (packet.empty()) return;
        for (const Bytes& answer : handle(packet, true, 0)) send_bytes(connection.get(), framed(answer));
    }
    Answers handle(const Bytes& packet, bool by_tcp, uint16_t port) {
        Asked asked;
        asked.packet = packet;
        asked.by_tcp = by_tcp;
        asked.port = port;
        EXPECT_EQ(dns::parse_query(asked.packet, asked.query), dns::Rcode::ok);
        {
            std::lock_guard lock(mutex_);
            asked_.push_back(asked);
        }
        return handler_(asked);
    }

    Handler handler_;
    UniqueFd udp_, tcp_, stop_;
    std::mutex mutex_;
    std::vector<Asked> asked_;
    std::thread thread_;
};

inline Bytes answer_to(const OtherServer::Asked& asked, std::string_view address,
                       dns::Rcode code = dns::Rcode::ok, size_t count = 1, bool truncated = false) {
    Bytes out(65535);
    dns::Writer writer(out, out.size());
    writer.begin(asked.packet, asked.query, code);
    for (size_t i = 0; code == dns::Rcode::ok && i < count; ++i) writer.answer_address(ip(address), 60);
    if (truncated) writer.set_truncated();
    out.resize(writer.finish());
    return out;
}

inline OtherServer::Handler always(std::string address, dns::Rcode code = dns::Rcode::ok) {
    return [address, code](const OtherServer::Asked& asked) {
        return OtherServer::Answers{answer_to(asked, address, code)};
    };
}

class DnsServerTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
        try {
            host_ = make_namespace();
            container_ = make_namespace();
        } catch (const Error& error) {
            GTEST_SKIP() << error.what();
        }
        in_host_.emplace(host_.get());
        streams_.emplace("streams");
        char name[] = "/tmp/berth-dns-XXXXXX";
        UniqueFd file(sys::check(::mkstemp(name), "mkstemp"));
        resolv_conf_ = name;
        start();
    }
    void TearDown() override {
        server_.reset();
        streams_.reset();
        in_host_.reset();
        if (!resolv_conf_.empty()) ::unlink(resolv_conf_.c_str());
    }

    void start(std::chrono::milliseconds server_timeout = std::chrono::seconds(2)) {
        DnsServer::Options options;
        options.resolv_conf = resolv_conf_;
        options.server_timeout = server_timeout;
        server_.emplace(control_, streams_->context(), options);
    }
    void wait(async::Task<void> task) { control_.block_on(std::move(task)); }
    void write_resolv_conf(std::string_view text) { std::ofstream(resolv_conf_) << text; }

    DnsClient client(std::string id = "c", std::vector<std::string> networks = {"net"}) {
        DnsClient result;
        result.container = std::move(id);
        result.networks = std::move(networks);
        result.netns = container_.duplicate();
        return result;
    }
    void add(std::string id, std::vector<std::string> names, std::string_view address,
             std::string network = "net") {
        DnsEndpoint endpoint;
        endpoint.network = network;
        endpoint.network_name = network;
        endpoint.id = std::move(id);
        endpoint.names = std::move(names);
        endpoint.addresses = {ip(address)};
        wait(server_->add(endpoint));
    }
    void open(DnsClient opened) {
        DnsSockets sockets = make_dns_sockets(container_.get());
        udp_port_ = port_of(sockets.udp.get());
        tcp_port_ = port_of(sockets.tcp.get());
        wait(server_->open(std::move(opened), std::move(sockets)));
    }
    void open() { open(client()); }

    UniqueFd connect_to(int type, uint16_t port) {
        NamespaceScope inside(container_.get());
        sockaddr_in at = v4("127.0.0.11", port);
        return make_socket(type, nullptr, &at);
    }
    UniqueFd udp() { return connect_to(SOCK_DGRAM, udp_port_); }
    UniqueFd tcp() { return connect_to(SOCK_STREAM, tcp_port_); }
    Reply ask(const Bytes& packet) {
        UniqueFd socket = udp();
        send_bytes(socket.get(), packet);
        return dns::parse_reply(receive_packet(socket.get()));
    }
    Reply ask(std::string_view name, uint16_t type = dns::kA) { return ask(dns::query(name, type)); }
    Reply ask_by_tcp(const Bytes& packet) {
        UniqueFd socket = tcp();
        send_bytes(socket.get(), framed(packet));
        return dns::parse_reply(receive_framed(socket.get()));
    }

    UniqueFd host_, container_;
    std::optional<NamespaceScope> in_host_;
    async::Context control_;
    std::optional<async::Thread> streams_;
    std::optional<DnsServer> server_;
    std::string resolv_conf_;
    uint16_t udp_port_ = 0, tcp_port_ = 0;
};

}  // namespace berth::net

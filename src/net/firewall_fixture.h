// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "base/error.h"
#include "net/firewall.h"
#include "net/namespace.h"
#include "sys/file.h"
#include "sys/process.h"

/// Hosts and containers that are namespaces of the test, with packets that are really sent:
///
///   client 192.0.2.2 ── 192.0.2.1 host ─┬─ berth0 172.17.0.1 ─┬─ a 172.17.0.2
///                                       │                     ├─ b 172.17.0.3
///                                       │                     └─ d 172.17.0.4
///                                       └─ br-two 172.18.0.1 ── c 172.18.0.2
///
/// and the same with fd00:c::/64, fd00:17::/64, fd00:18::/64. The test itself, and the firewall's thread, are
/// in the host's namespace. Everybody but the client routes by the host; the client has routes to the
/// containers too.
namespace berth::net {

constexpr int kAnswerTime_ms = 3000;
/// What is dropped can only be waited for.
constexpr int kSilence_ms = 250;

struct Outcome {
    std::string who;   ///< that accepted; "" none
    std::string from;  ///< the address that it saw
    int error = 0;
    bool operator==(const Outcome&) const = default;
};
inline void PrintTo(const Outcome& outcome, std::ostream* out) {
    *out << "who=" << outcome.who << " from=" << outcome.from << " error=" << errno_text(outcome.error);
}
inline Outcome reached(std::string who, std::string from) {
    return {std::move(who), std::move(from), 0};
}
inline Outcome failed(int error) {
    return {"", "", error};
}

inline IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}
inline Prefix subnet(std::string_view text) {
    return Prefix::parse(text).value();
}

///
/// Each test may run with br_netfilter and without, which changes the path of packets within a bridge.
class FirewallLab : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs the right to make namespaces";
        bool has_bridge_filter = ::access("/proc/sys/net/bridge", F_OK) == 0;
        if (with_bridge_filter() && !has_bridge_filter) GTEST_SKIP() << "the kernel has no br_netfilter";
        if (has_bridge_filter)
            host(fmt::format(
                "sysctl -qw net.bridge.bridge-nf-call-iptables={0} net.bridge.bridge-nf-call-ip6tables={0}",
                with_bridge_filter() ? 1 : 0));
        host("ip link set lo up");
        host(
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
            "net.ipv6.conf.default.accept_dad=0 "
            "net.ipv6.conf.all.accept_dad=0");
        add_host("client", "192.0.2.1/24", "fd00:c::1/64", "192.0.2.2/24", "fd00:c::2/64", "");
        add_bridge("berth0", "172.17.0.1/16", "fd00:17::1/64");
        add_bridge("br-two", "172.18.0.1/16", "fd00:18::1/64");
        add_host("a", "", "", "172.17.0.2/16", "fd00:17::2/64", "berth0");
        add_host("b", "", "", "172.17.0.3/16", "fd00:17::3/64", "berth0");
        add_host("d", "", "", "172.17.0.4/16", "fd00:17::4/64", "berth0");
        add_host("c", "", "", "172.18.0.2/16", "fd00:18::2/64", "br-two");
        in("client",
           "ip route add 172.16.0.0/12 via 192.0.2.1 && ip -6 route add fd00:10::/28 via fd00:c::1");
    }

    static bool with_bridge_filter() {
        const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
        return test->value_param() != nullptr && GetParam();
    }

    // --- names of places: "host", "client", "a", …
    int netns(const std::string& place) const { return places_.at(place).get(); }

    std::string in(const std::string& place, const std::string& command) {
        std::optional<NamespaceScope> scope;
        if (place != "host") scope.emplace(netns(place));
        sys::SpawnOptions options;
        options.path = "/bin/sh";
        options.argv = {"sh", "-ec", command};
        options.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
        auto finished = sys::run(std::move(options), "", std::nullopt);
        EXPECT_EQ(finished.status.code, 0) << command << ": " << finished.output;
        return finished.output;
    }
    std::string host(const std::string& command) { return in("host", command); }

    UniqueFd make_socket(const std::string& place, int type) {
        std::optional<NamespaceScope> scope;
        if (place != "host") scope.emplace(netns(place));
        return UniqueFd(sys::check(::socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
    }

    /// From now on `place` answers at this port, on all its addresses or one.
    void listen(const std::string& place, uint16_t port, int type = SOCK_STREAM) {
        UniqueFd fd = make_socket(place, type);
        int off = 0, on = 1;
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in6 address = socket_address("::", port);
        sys::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
        if (type == SOCK_STREAM) sys::check(::listen(fd.get(), 64), "listen");
        listeners_.push_back({place, type, std::move(fd)});
    }

    Outcome connect(const std::string& from, const std::string& to, uint16_t port,
                    int patience_ms = kAnswerTime_ms) {
        UniqueFd fd = make_socket(from, SOCK_STREAM);
        sockaddr_in6 address = socket_address(to, port);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            if (errno != EINPROGRESS) return failed(errno);
            pollfd wait{fd.get(), POLLOUT, 0};
            if (::poll(&wait, 1, patience_ms) == 0) return failed(ETIMEDOUT);
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) return failed(error);
        }
        return accepted();
    }
    bool is_dropped(const std::string& from, const std::string& to, uint16_t port) {
        return connect(from, to, port, kSilence_ms) == failed(ETIMEDOUT);
    }

    /// A datagram there and an answer back, which must come from where the first one was sent to.
    Outcome ask(const std::string& from, const std::string& to, uint16_t port) {
        UniqueFd fd = make_socket(from, SOCK_DGRAM);
        sockaddr_in6 address = socket_address(to, port);
        if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            return failed(errno);
        if (::send(fd.get(), "?", 1, 0) != 1) return failed(errno);
        std::vector<pollfd> waits;
        for (const auto& listener : listeners_) waits.push_back({listener.fd.get(), POLLIN, 0});
        waits.push_back({fd.get(), POLLIN, 0});
        if (::poll(waits.data(), waits.size(), kAnswerTime_ms) <= 0) return failed(ETIMEDOUT);
        for (size_t i = 0; i < listeners_.size(); ++i) {
            if ((waits[i].revents & POLLIN) == 0) continue;
            sockaddr_in6 peer{};
            socklen_t size = sizeof peer;
            char byte = 0;
            if (::recvfrom(waits[i].fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size) != 1)
                continue;
            ::sendto(waits[i].fd, "!", 1, 0, reinterpret_cast<sockaddr*>(&peer), size);
            pollfd answer{fd.get(), POLLIN, 0};
            if (::poll(&answer, 1, kAnswerTime_ms) <= 0) return failed(ETIMEDOUT);
            return reached(listeners_[i].place, text_of(peer));
        }
        char byte = 0;
        return failed(::recv(fd.get(), &byte, 1, 0) < 0 ? errno : EIO);
    }

    // --- the firewall
    static Firewall::Options options() { return {.tag = "0a1b2c3d"}; }

    static BridgeRules berth0() {
        return {.bridge = "berth0",
                .subnets = {subnet("172.17.0.0/16"), subnet("fd00:17::/64")},
                .masquerade6 = true};
    }
    static BridgeRules br_two() {
        return {.bridge = "br-two",
                .subnets = {subnet("172.18.0.0/16"), subnet("fd00:18::/64")},
                .masquerade6 = true};
    }
    static FirewallChange both_bridges() {
        FirewallChange change;
        change.bridges = {berth0(), br_two()};
        return change;
    }
    static PortRule port(const char* host_address, uint16_t host_port, const char* to, uint16_t to_port,
                         Protocol protocol = Protocol::tcp) {
        return {protocol, ip(host_address), host_port, ip(to), to_port};
    }

    void start(FirewallChange all, Firewall::Options with = options()) {
        firewall_ = std::make_unique<Firewall>(context_, std::move(with));
        context_.block_on(firewall_->start(std::move(all)));
    }
    void apply(FirewallChange change) { context_.block_on(firewall_->apply(std::move(change))); }

    /// Waits for something that another thread does.
    template <typename Condition>
    bool comes_true(Condition condition) {
        for (int i = 0; i < 250; ++i) {
            if (condition()) return true;
            ::usleep(20'000);
        }
        return false;
    }

    /// A namespace behind a veth pair: on a bridge, or with addresses at the host's end.
    void add_host(const std::string& name, const std::string& near4, const std::string& near6,
                  const std::string& far4, const std::string& far6, const std::string& bridge) {
        UniqueFd fd = make_namespace();
        host("ip link add ve-" + name + " type veth peer name eth0 netns " + namespace_path(fd.get()));
        if (!bridge.empty())
            host("ip link set ve-" + name + " master " + bridge + " && ip link set ve-" + name +
                 " type bridge_slave hairpin " + (with_bridge_filter() ? "on" : "off"));
        host("ip link set ve-" + name + " up");
        if (!near4.empty())
            host("ip addr add " + near4 + " dev ve-" + name + " && ip -6 addr add " + near6 + " dev ve-" +
                 name + " nodad");
        places_.emplace(name, std::move(fd));
        in(name, "ip link set eth0 up; ip addr add " + far4 + " dev eth0; ip -6 addr add " + far6 +
                     " dev eth0 nodad");
        if (bridge.empty()) return;
        std::string net = far4.substr(0, 6);
        in(name, "ip route add default via " + net +
                     ".0.1; ip -6 route add default via fd00:" + net.substr(4) + "::1");
    }

    async::Context context_{1};
    std::unique_ptr<Firewall> firewall_;

    static sockaddr_in6 socket_address(const std::string& text, uint16_t port) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        std::string v6 = text.find(':') == std::string::npos ? "::ffff:" + text : text;
        EXPECT_EQ(::inet_pton(AF_INET6, v6.c_str(), &address.sin6_addr), 1) << text;
        return address;
    }

  private:
    struct Listener {
        std::string place;
        int type;
        UniqueFd fd;
    };

    void add_bridge(const std::string& name, const std::string& v4, const std::string& v6) {
        host("ip link add " + name + " type bridge && ip link set " + name + " up && ip addr add " + v4 +
             " dev " + name + " && ip -6 addr add " + v6 + " dev " + name +
             " nodad && sysctl -qw net.ipv4.conf." + name + ".route_localnet=1");
    }

    static std::string text_of(const sockaddr_in6& peer) {
        char text[INET6_ADDRSTRLEN];
        ::inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text);
        std::string result = text;
        return result.starts_with("::ffff:") ? result.substr(7) : result;
    }

    Outcome accepted() {
        std::vector<pollfd> waits;
        for (const auto& listener : listeners_)
            waits.push_back({listener.type == SOCK_STREAM ? listener.fd.get() : -1, POLLIN, 0});
        if (::poll(waits.data(), waits.size(), kAnswerTime_ms) <= 0) return failed(EIO);
        for (size_t i = 0; i < listeners_.size(); ++i) {
            if ((waits[i].revents & POLLIN) == 0) continue;
            sockaddr_in6 peer{};
            socklen_t size = sizeof peer;
            UniqueFd fd(::accept4(waits[i].fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
            if (fd) return reached(listeners_[i].place, text_of(peer));
        }
        return failed(EIO);
    }

    std::map<std::string, UniqueFd> places_;
    std::vector<Listener> listeners_;
};

}  // namespace berth::net

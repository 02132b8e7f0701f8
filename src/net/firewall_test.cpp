// SPDX-License-Identifier: Apache-2.0
// The paths of packets.
#include "net/firewall.h"

#include <gmock/gmock.h>
#include <netinet/in.h>

#include <map>

#include "net/firewall_fixture.h"
#include "net/nft_library.h"

namespace berth::net {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;

std::string name_of(const ::testing::TestParamInfo<bool>& info) {
    return info.param ? "WithBridgeFilter" : "Plain";
}

class FirewallPaths : public FirewallLab {};
INSTANTIATE_TEST_SUITE_P(, FirewallPaths, ::testing::Bool(), name_of);

TEST_P(FirewallPaths, APublishedPortIsReachedFromEverywhere) {
    FirewallChange all = both_bridges();
    all.ports = {port("0.0.0.0", 8080, "172.17.0.2", 80), port("::", 8080, "fd00:17::2", 80)};
    start(all);
    listen("a", 80);
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), reached("a", "192.0.2.2"));
    EXPECT_EQ(connect("client", "fd00:c::1", 8080), reached("a", "fd00:c::2"));
    EXPECT_EQ(connect("host", "127.0.0.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("host", "192.0.2.1", 8080), reached("a", "192.0.2.1"));
    EXPECT_EQ(connect("host", "fd00:c::1", 8080), reached("a", "fd00:c::1"));
    // A hairpin: by the gateway's address.
    EXPECT_EQ(connect("b", "192.0.2.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("a", "192.0.2.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("a", "172.17.0.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("b", "fd00:c::1", 8080), reached("a", "fd00:17::1"));
    // Another bridge: the client's address is kept.
    EXPECT_EQ(connect("c", "192.0.2.1", 8080), reached("a", "172.18.0.2"));
    EXPECT_EQ(connect("c", "fd00:c::1", 8080), reached("a", "fd00:18::2"));
}

TEST_P(FirewallPaths, UdpIsAnsweredFromWhereItWasSentTo) {
    FirewallChange all = both_bridges();
    all.ports = {port("0.0.0.0", 53, "172.17.0.2", 5353, Protocol::udp),
                 port("::", 53, "fd00:17::2", 5353, Protocol::udp)};
    start(all);
    listen("a", 5353, SOCK_DGRAM);
    EXPECT_EQ(ask("client", "192.0.2.1", 53), reached("a", "192.0.2.2"));
    EXPECT_EQ(ask("client", "fd00:c::1", 53), reached("a", "fd00:c::2"));
    EXPECT_EQ(ask("host", "127.0.0.1", 53), reached("a", "172.17.0.1"));
    EXPECT_EQ(ask("b", "192.0.2.1", 53), reached("a", "172.17.0.1"));
}

TEST_P(FirewallPaths, APortOfOneAddressIsReachedThereOnly) {
    FirewallChange all = both_bridges();
    all.ports = {port("192.0.2.1", 8080, "172.17.0.2", 80), port("172.18.0.1", 8080, "172.17.0.3", 80)};
    start(all);
    listen("a", 80);
    listen("b", 80);
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), reached("a", "192.0.2.2"));
    EXPECT_EQ(connect("host", "127.0.0.1", 8080), failed(ECONNREFUSED));
    EXPECT_EQ(connect("c", "172.18.0.1", 8080), reached("b", "172.18.0.2"));
    EXPECT_EQ(connect("b", "172.17.0.1", 8080), failed(ECONNREFUSED));
}

TEST_P(FirewallPaths, ALoopbackPortIsNobodyElses) {
    FirewallChange all = both_bridges();
    all.ports = {port("127.0.0.1", 8080, "172.17.0.2", 80)};
    start(all);
    listen("a", 80);
    EXPECT_EQ(connect("host", "127.0.0.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), failed(ECONNREFUSED));
    // CVE-2020-8558: a neighbour routes 127.0.0.0/8 to us, and the kernel would take it.
    host("sysctl -qw net.ipv4.conf.all.route_localnet=1");
    for (const char* neighbour : {"client", "b"}) {
        in(neighbour,
           "ip route del local 127.0.0.0/8 dev lo table local; ip route del local 127.0.0.1 dev lo table "
           "local; sysctl -qw net.ipv4.conf.all.route_localnet=1");
        in(neighbour, std::string("ip route add 127.0.0.1 via ") +
                          (neighbour == std::string("b") ? "172.17.0.1" : "192.0.2.1"));
        EXPECT_TRUE(is_dropped(neighbour, "127.0.0.1", 8080)) << neighbour;
    }
    // moby#45610: he routes to the container itself.
    EXPECT_TRUE(is_dropped("client", "172.17.0.2", 80));
    EXPECT_TRUE(is_dropped("client", "fd00:17::2", 80));
    EXPECT_EQ(connect("host", "172.17.0.2", 80), reached("a", "172.17.0.1"));
}

TEST_P(FirewallPaths, BridgesAreIsolatedAndHaveAWayOut) {
    start(both_bridges());
    listen("a", 80);
    listen("c", 80);
    listen("client", 80);
    listen("host", 22);
    EXPECT_EQ(connect("b", "172.17.0.2", 80), reached("a", "172.17.0.3"));
    EXPECT_TRUE(is_dropped("a", "172.18.0.2", 80));
    EXPECT_TRUE(is_dropped("c", "172.17.0.2", 80));
    EXPECT_TRUE(is_dropped("c", "fd00:17::2", 80));
    EXPECT_EQ(connect("a", "192.0.2.2", 80), reached("client", "192.0.2.1"));
    EXPECT_EQ(connect("a", "fd00:c::2", 80), reached("client", "fd00:c::1"));
    EXPECT_EQ(connect("a", "192.0.2.1", 22), reached("host", "172.17.0.2"));
    EXPECT_EQ(connect("host", "172.17.0.1", 22), reached("host", "172.17.0.1"));
    EXPECT_EQ(connect("client", "192.0.2.1", 22), reached("host", "192.0.2.2"));
}

TEST_P(FirewallPaths, WithoutMasqueradingAddressesAreKept) {
    FirewallChange all = both_bridges();
    all.bridges[0].masquerade4 = false;
    start(all);
    listen("client", 80);
    EXPECT_EQ(connect("a", "192.0.2.2", 80), reached("client", "172.17.0.2"));
}

TEST_P(FirewallPaths, AnInternalNetworkHasNoWayOut) {
    FirewallChange all = both_bridges();
    all.bridges[1].is_internal = true;
    all.ports = {port("0.0.0.0", 8080, "172.17.0.2", 80), port("0.0.0.0", 8081, "172.18.0.2", 80)};
    all.addresses = {{.address = ip("172.18.0.99"), .targets = {ip("172.18.0.2")}}};
    host("ip addr add 172.18.0.99/32 dev br-two");
    start(all);
    listen("a", 80);
    listen("c", 80);
    listen("client", 80);
    listen("host", 22);
    EXPECT_TRUE(is_dropped("c", "192.0.2.2", 80));
    EXPECT_TRUE(is_dropped("c", "fd00:c::2", 80));
    EXPECT_TRUE(is_dropped("c", "192.0.2.1", 8080));
    EXPECT_TRUE(is_dropped("c", "192.0.2.1", 22));
    EXPECT_TRUE(is_dropped("c", "fd00:c::1", 22));
    EXPECT_TRUE(is_dropped("client", "192.0.2.1", 8081));
    EXPECT_TRUE(is_dropped("client", "172.18.0.2", 80));
    EXPECT_EQ(connect("c", "172.18.0.1", 22), reached("host", "172.18.0.2"));
    EXPECT_EQ(connect("c", "fd00:18::1", 22), reached("host", "fd00:18::2"));
    EXPECT_EQ(connect("host", "172.18.0.2", 80), reached("c", "172.18.0.1"));
    EXPECT_EQ(connect("c", "172.18.0.99", 80), reached("c", "172.18.0.1"));
}

TEST_P(FirewallPaths, WithoutInterContainerTrafficLinksOpenPorts) {
    FirewallChange all = both_bridges();
    all.bridges[0].inter_container = false;
    all.separated = {"ve-a", "ve-b", "ve-d"};
    all.ports = {port("0.0.0.0", 8080, "172.17.0.2", 80)};
    start(all);
    listen("a", 80);
    listen("a", 81);
    listen("b", 80);
    listen("client", 80);
    EXPECT_TRUE(is_dropped("b", "172.17.0.2", 80));
    EXPECT_TRUE(is_dropped("b", "fd00:17::2", 80));
    EXPECT_EQ(connect("b", "192.0.2.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("b", "192.0.2.2", 80), reached("client", "192.0.2.1"));

    FirewallChange link;
    link.links = {{ip("172.17.0.3"), ip("172.17.0.2"), Protocol::tcp, 80},
                  {ip("fd00:17::3"), ip("fd00:17::2"), Protocol::tcp, 80}};
    apply(link);
    EXPECT_EQ(connect("b", "172.17.0.2", 80), reached("a", "172.17.0.3"));
    EXPECT_EQ(connect("b", "fd00:17::2", 80), reached("a", "fd00:17::3"));
    EXPECT_TRUE(is_dropped("b", "172.17.0.2", 81));
    EXPECT_TRUE(is_dropped("a", "172.17.0.3", 80));
    EXPECT_TRUE(is_dropped("d", "172.17.0.2", 80));

    // By the host's routing, around the bridge.
    in("d", "ip route add 172.17.0.2 via 172.17.0.1");
    EXPECT_TRUE(is_dropped("d", "172.17.0.2", 80));

    FirewallChange open;
    open.bridges = {berth0()};
    std::swap(open.removed_links, link.links);
    open.unseparated = {"ve-a", "ve-b", "ve-d"};
    apply(open);
    EXPECT_EQ(connect("b", "172.17.0.2", 81), reached("a", "172.17.0.3"));
    EXPECT_EQ(host("nft list tables bridge"), "");
}

TEST_P(FirewallPaths, DirectRoutingIsForThoseWhoMay) {
    FirewallChange all = both_bridges();
    all.bridges[0].direct_routing = true;
    all.bridges[1].trusted_interfaces = {"eth9"};
    all.ports = {port("192.0.2.1", 8080, "172.17.0.2", 80), port("::", 0, "fd00:17::2", 80),
                 port("0.0.0.0", 8082, "172.18.0.2", 80), port("127.0.0.1", 8083, "172.17.0.2", 81),
                 port("::1", 8083, "fd00:17::2", 81)};
    start(all);
    listen("a", 80);
    listen("a", 81);
    listen("c", 80);
    EXPECT_EQ(connect("client", "172.17.0.2", 80), reached("a", "192.0.2.2"));
    EXPECT_EQ(connect("client", "fd00:17::2", 80), reached("a", "fd00:c::2"));
    EXPECT_EQ(connect("host", "127.0.0.1", 8083), reached("a", "172.17.0.1"));
    EXPECT_TRUE(is_dropped("client", "172.17.0.2", 81)) << "is published for the host alone";
    EXPECT_TRUE(is_dropped("client", "fd00:17::2", 81));
    EXPECT_TRUE(is_dropped("client", "172.18.0.2", 80));
    EXPECT_TRUE(is_dropped("c", "172.17.0.2", 80)) << "from another of our bridges";
    FirewallChange trust;
    trust.bridges = {berth0(), br_two()};
    trust.bridges[0].unprotected = true;
    trust.bridges[1].trusted_interfaces = {"eth9", "ve-client"};
    apply(trust);
    EXPECT_EQ(connect("client", "172.17.0.2", 81), reached("a", "192.0.2.2"));
    EXPECT_EQ(connect("client", "172.18.0.2", 80), reached("c", "192.0.2.2"));
}

TEST_P(FirewallPaths, AContainerOnBothNetworksAnswersByTheHost) {
    FirewallChange all = both_bridges();
    all.ports = {port("0.0.0.0", 8080, "172.17.0.2", 80)};
    all.legs = {{"br-two", ip("172.17.0.2")}};
    start(all);
    listen("a", 80);
    EXPECT_EQ(connect("c", "192.0.2.1", 8080), reached("a", "172.17.0.1"));
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), reached("a", "192.0.2.2"));
}

class FirewallServices : public FirewallLab {
  protected:
    static FirewallChange web(std::vector<const char*> targets, Balance balance = Balance::round_robin) {
        FirewallChange change;
        ServiceRule rule{.host_address = ip("0.0.0.0"), .host_port = 8080, .balance = balance};
        for (const char* target : targets) rule.targets.emplace_back(ip(target), 80);
        change.services = {rule};
        return change;
    }
    std::map<std::string, int> spread(const std::string& from, const std::string& to, uint16_t to_port,
                                      int times) {
        std::map<std::string, int> counts;
        for (int i = 0; i < times; ++i) ++counts[connect(from, to, to_port).who];
        return counts;
    }
    using Counts = std::map<std::string, int>;
};
INSTANTIATE_TEST_SUITE_P(, FirewallServices, ::testing::Bool(), name_of);

TEST_P(FirewallServices, ConnectionsAreSpreadInTurn) {
    start(both_bridges());
    for (const char* place : {"a", "b", "d"}) listen(place, 80);
    apply(web({"172.17.0.2", "172.17.0.3", "172.17.0.4"}));
    EXPECT_EQ(spread("client", "192.0.2.1", 8080, 30), (Counts{{"a", 10}, {"b", 10}, {"d", 10}}));
    EXPECT_EQ(spread("host", "127.0.0.1", 8080, 30), (Counts{{"a", 10}, {"b", 10}, {"d", 10}}));
    EXPECT_EQ(connect("client", "192.0.2.1", 8080).from, "192.0.2.2");
    apply(web({"172.17.0.2", "172.17.0.4"}));
    EXPECT_EQ(spread("client", "192.0.2.1", 8080, 10), (Counts{{"a", 5}, {"d", 5}}));
    EXPECT_EQ(connect("b", "192.0.2.1", 8080).from, "172.17.0.1");
    EXPECT_EQ(connect("c", "192.0.2.1", 8080).from, "172.18.0.2");
    apply(web({}));
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), failed(ECONNREFUSED));
    EXPECT_EQ(connect("host", "127.0.0.1", 8080), failed(ECONNREFUSED));
    FirewallChange gone;
    gone.removed_services = web({}).services;
    gone.ports = {port("0.0.0.0", 8080, "172.17.0.3", 80)};
    apply(gone);
    EXPECT_EQ(connect("client", "192.0.2.1", 8080).who, "b");
}

TEST_P(FirewallServices, OtherPolicies) {
    start(both_bridges());
    for (const char* place : {"a", "b", "d"}) listen(place, 80);
    apply(web({"172.17.0.2", "172.17.0.3", "172.17.0.4"}, Balance::source));
    EXPECT_EQ(spread("client", "192.0.2.1", 8080, 8).size(), 1U);
    apply(web({"172.17.0.2", "172.17.0.3"}, Balance::random));
    for (const auto& [who, count] : spread("client", "192.0.2.1", 8080, 20))
        EXPECT_THAT(who, AnyOf(Eq("a"), Eq("b")));
}

TEST_P(FirewallServices, AVirtualAddressIsOfItsNetworkAndTheHost) {
    FirewallChange all = both_bridges();
    all.addresses = {{.address = ip("172.17.0.99"), .targets = {ip("172.17.0.2"), ip("172.17.0.3")}},
                     {.address = ip("fd00:17::99"), .targets = {ip("fd00:17::2")}},
                     {.address = ip("172.17.0.98"), .targets = {}}};
    host(
        "ip addr add 172.17.0.99/32 dev berth0; ip addr add 172.17.0.98/32 dev berth0; ip -6 addr add "
        "fd00:17::99/128 dev berth0 nodad");
    start(all);
    listen("a", 80);
    listen("b", 80);
    listen("a", 53, SOCK_DGRAM);
    listen("b", 53, SOCK_DGRAM);
    EXPECT_EQ(spread("d", "172.17.0.99", 80, 6), (Counts{{"a", 3}, {"b", 3}}));
    EXPECT_EQ(spread("host", "172.17.0.99", 80, 6), (Counts{{"a", 3}, {"b", 3}}));
    EXPECT_EQ(connect("a", "172.17.0.99", 80).from, "172.17.0.1");
    EXPECT_EQ(connect("d", "fd00:17::99", 80).who, "a");
    EXPECT_NE(ask("d", "172.17.0.99", 53).who, "");
    EXPECT_EQ(connect("d", "172.17.0.98", 80), failed(ECONNREFUSED));
    EXPECT_EQ(connect("host", "172.17.0.98", 80), failed(ECONNREFUSED));
    EXPECT_EQ(connect("c", "172.17.0.99", 80), failed(ECONNREFUSED)) << "another network";
    EXPECT_EQ(connect("client", "172.17.0.99", 80), failed(ECONNREFUSED)) << "another host";
}

class DnsRedirect : public ::testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs the right to make namespaces";
        container_ = make_namespace();
    }
    /// Bound to 127.0.0.11, port 0: any.
    UniqueFd server(int type) {
        NamespaceScope scope(container_.get());
        UniqueFd fd(sys::check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket"));
        sockaddr_in address = dns(0);
        sys::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
        if (type == SOCK_STREAM) sys::check(::listen(fd.get(), 1), "listen");
        return fd;
    }
    static uint16_t port_of(const UniqueFd& fd) {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(address.sin_port);
    }
    UniqueFd client(int type) {
        NamespaceScope scope(container_.get());
        UniqueFd fd(sys::check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket"));
        timeval limit{.tv_sec = kAnswerTime_ms / 1000, .tv_usec = 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        sockaddr_in address = dns(53);
        sys::check(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
        return fd;
    }
    static sockaddr_in dns(uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = inet_addr("127.0.0.11");
        address.sin_port = htons(port);
        return address;
    }
    UniqueFd container_;
};

TEST_F(DnsRedirect, DatagramsAreAnsweredFromPort53) {
    UniqueFd listener = server(SOCK_DGRAM);
    redirect_dns(container_.get(), 4, 5);
    redirect_dns(container_.get(), port_of(listener), 5);  // again: after a restart
    UniqueFd asks = client(SOCK_DGRAM);
    ASSERT_EQ(::send(asks.get(), "?", 1, 0), 1);
    char byte = 0;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    ASSERT_EQ(::recvfrom(listener.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size), 1);
    ::sendto(listener.get(), "!", 1, 0, reinterpret_cast<sockaddr*>(&peer), size);
    ASSERT_EQ(::recv(asks.get(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, '!');
}

TEST_F(DnsRedirect, StreamsToo) {
    UniqueFd listener = server(SOCK_STREAM);
    redirect_dns(container_.get(), 4, port_of(listener));
    UniqueFd asks = client(SOCK_STREAM);
    UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string answer(200'000, '!');  // segments bigger than the device's
    ASSERT_EQ(::send(asks.get(), "?", 1, 0), 1);
    char byte = 0;
    ASSERT_EQ(::recv(accepted.get(), &byte, 1, 0), 1);
    int room = 1 << 20;
    ::setsockopt(accepted.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    ASSERT_EQ(::send(accepted.get(), answer.data(), answer.size(), 0), static_cast<ssize_t>(answer.size()));
    std::string got(answer.size(), '.');
    ASSERT_EQ(::recv(asks.get(), got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(got.size()));
    EXPECT_EQ(got, answer);
}

/// A container that answers DNS queries itself, with a firewall that tracks connections and drops odd ones.
TEST_F(DnsRedirect, AContainersOwnServerAndFirewallGoOn) {
    UniqueFd listener = server(SOCK_STREAM);
    redirect_dns(container_.get(), 4, port_of(listener));
    NamespaceScope scope(container_.get());
    NftContext nft;
    nft.run(
        "table inet own { chain input { type filter hook input priority 0; policy accept; ct state invalid "
        "drop\n"
        "}\nchain nat { type nat hook output priority -100; tcp dport 9 redirect to :10\n}\n}\n");
    UniqueFd own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(53);
    ASSERT_EQ(::bind(own.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(own.get(), 1), 0);
    UniqueFd asks = client(SOCK_STREAM);
    UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(accepted);
    UniqueFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    address.sin_addr.s_addr = inet_addr("127.0.0.1");
    EXPECT_EQ(::connect(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(UniqueFd(::accept4(own.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

}  // namespace
}  // namespace berth::net

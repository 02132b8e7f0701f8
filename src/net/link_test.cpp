// SPDX-License-Identifier: Apache-2.0
#include "net/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <tuple>

#include "net/namespace_fixture.h"
#include "net/netlink.h"

namespace berth::net {
namespace {

ErrorKind kind_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::internal;
}

class LinkTest : public NamespaceTest {
  protected:
    static constexpr const char* kGateway4 = "10.77.0.1";
    static constexpr const char* kGateway6 = "fd77::1";

    static BridgeSpec bridge() {
        return {.name = "berth-t", .alias = "berth-test", .addresses = {prefix("10.77.0.1/24")}};
    }
    static BridgeSpec bridge6() {
        BridgeSpec spec = bridge();
        spec.addresses.push_back(prefix("fd77::1/64"));
        return spec;
    }
    static EndpointSpec endpoint(const char* address = "10.77.0.2/24") {
        EndpointSpec spec{.parent = "berth-t", .host_interface = "ve-test", .interface = "eth0"};
        spec.addresses = {prefix(address)};
        spec.mac = MacAddress::of(spec.addresses[0].address);
        spec.gateways = {ip(kGateway4)};
        return spec;
    }
    static EndpointSpec endpoint6(EndpointSpec spec) {
        spec.addresses.push_back(prefix("fd77::2/64"));
        spec.gateways.push_back(ip(kGateway6));
        return spec;
    }
    static LinkInfo link_in(int netns, const std::string& name) {
        NamespaceScope scope(netns);
        auto link = find_link(name);
        if (!link) throw make_error(ErrorKind::not_found, "no {}", name);
        return *link;
    }
    static int connect_from(int netns, const char* address, uint16_t port, int limit_ms = 5000) {
        NamespaceScope scope(netns);
        return connect_to(ip(address), port, limit_ms);
    }
};

TEST_F(LinkTest, ABridgeIsMadeOnce) {
    BridgeSpec spec = bridge6();
    spec.mtu = 1400;
    EXPECT_TRUE(ensure_bridge(spec));
    EXPECT_EQ(sysctl("ipv4/conf/berth-t/route_localnet"), "0");
    spec.routes_loopback = true;
    EXPECT_FALSE(ensure_bridge(spec));
    auto link = find_link("berth-t");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->kind, "bridge");
    EXPECT_EQ(link->alias, "berth-test");
    EXPECT_EQ(link->mtu, 1400);
    EXPECT_TRUE(link->is_up);
    EXPECT_EQ(link->index, static_cast<int>(if_nametoindex("berth-t")));
    EXPECT_EQ(sysctl("ipv4/conf/berth-t/route_localnet"), "1");
    EXPECT_EQ(sysctl("ipv4/conf/berth-t/forwarding"), "1");
    EXPECT_EQ(sysctl("ipv6/conf/berth-t/accept_ra"), "0");
    EXPECT_EQ(sysctl("ipv6/conf/berth-t/accept_dad"), "0");
    UniqueFd listener = bound_socket(SOCK_STREAM, ip(kGateway6), 80);  // fails while the address is tentative
    EXPECT_EQ(connect_to(ip(kGateway6), 80), 0);
}

TEST_F(LinkTest, ABridgeOfOursFollowsItsSpecification) {
    ensure_bridge(bridge6());
    BridgeSpec changed = bridge();
    changed.addresses = {prefix("10.78.0.1/24"), prefix("10.78.0.200/32")};
    changed.mtu = 1300;
    EXPECT_FALSE(ensure_bridge(changed));
    EXPECT_EQ(addresses_of("berth-t"), changed.addresses);
    EXPECT_EQ(find_link("berth-t")->mtu, 1300);
    EXPECT_EQ(sysctl("ipv6/conf/berth-t/disable_ipv6"), "1");
}

TEST_F(LinkTest, TheUsersBridgeKeepsWhatItHas) {
    ensure_bridge(bridge());
    BridgeSpec spec{.name = "berth-t", .addresses = {prefix("10.79.0.1/24")}, .is_ours = false};
    EXPECT_FALSE(ensure_bridge(spec));
    EXPECT_EQ(addresses_of("berth-t"), (std::vector{prefix("10.77.0.1/24"), prefix("10.79.0.1/24")}));
    EXPECT_EQ(find_link("berth-t")->alias, "berth-test");
}

TEST_F(LinkTest, AnotherDeviceIsNoBridge) {
    EXPECT_EQ(kind_of([] { ensure_bridge({.name = "lo"}); }), ErrorKind::conflict);
    EXPECT_EQ(kind_of([] { ensure_bridge({.name = "a-name-that-is-too-long"}); }), ErrorKind::internal);
}

TEST_F(LinkTest, ABridgesMacDoesNotFollowItsPorts) {
    ensure_bridge(bridge());
    MacAddress before = find_link("berth-t")->mac;
    UniqueFd netns = make_namespace();
    attach_endpoint(netns.get(), endpoint());
    EXPECT_EQ(find_link("berth-t")->mac, before);
    detach_endpoint(netns.get(), "eth0");
    EXPECT_EQ(find_link("berth-t")->mac, before);
    EXPECT_FALSE(find_link("ve-test")) << "the other end of a pair goes too";
    detach_endpoint(netns.get(), "eth0");
}

/// true: the pair was there before.
class EndpointTest : public LinkTest, public testing::WithParamInterface<bool> {
  protected:
    UniqueFd attach(EndpointSpec spec) {
        if (!GetParam()) {
            UniqueFd netns = make_namespace();
            attach_endpoint(netns.get(), spec);
            return netns;
        }
        PreparedNamespace prepared = make_namespace(spec.host_interface);
        spec.has_pair = true;
        spec.prepared_interface = prepared.interface;
        attach_endpoint(prepared.netns.get(), spec);
        return std::move(prepared.netns);
    }
};
INSTANTIATE_TEST_SUITE_P(Pairs, EndpointTest, testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Prepared" : "Made"; });

TEST_P(EndpointTest, ReachesAndIsReached) {
    ensure_bridge(bridge());
    EndpointSpec spec = endpoint();
    spec.interface = "net7";
    spec.mtu = 1350;
    UniqueFd netns = attach(spec);
    LinkInfo inside = link_in(netns.get(), "net7");
    EXPECT_EQ(inside.mac.text(), "02:42:0a:4d:00:02");
    EXPECT_EQ(inside.mtu, 1350);
    EXPECT_TRUE(inside.is_up);
    auto outside = find_link("ve-test");
    ASSERT_TRUE(outside);
    EXPECT_EQ(outside->mtu, 1350);
    EXPECT_EQ(outside->master, find_link("berth-t")->index);
    EXPECT_TRUE(addresses_of("ve-test").empty());

    UniqueFd gateway = bound_socket(SOCK_STREAM, ip(kGateway4), 80);
    EXPECT_EQ(connect_from(netns.get(), kGateway4, 80), 0);
    // By the default route: another address of the host.
    add_address("lo", prefix("192.0.2.1/32"));
    UniqueFd other = bound_socket(SOCK_STREAM, ip("192.0.2.1"), 80);
    EXPECT_EQ(connect_from(netns.get(), "192.0.2.1", 80), 0);
    UniqueFd inner;
    {
        NamespaceScope scope(netns.get());
        inner = bound_socket(SOCK_STREAM, ip("0.0.0.0"), 80);
        EXPECT_EQ(sysctl("ipv6/conf/net7/disable_ipv6"), "1") << "it has no IPv6 address";
        EXPECT_EQ(sysctl("ipv6/conf/lo/disable_ipv6"), "0");
    }
    EXPECT_EQ(connect_to(ip("10.77.0.2"), 80), 0);
}

TEST_P(EndpointTest, HasIpv6AtOnce) {
    ensure_bridge(bridge6());
    UniqueFd netns = attach(endpoint6(endpoint()));
    UniqueFd gateway = bound_socket(SOCK_STREAM, ip("::"), 80);
    {
        NamespaceScope scope(netns.get());
        UniqueFd inner =
            bound_socket(SOCK_STREAM, ip("fd77::2"), 80);  // fails while the address is tentative
    }
    EXPECT_EQ(connect_from(netns.get(), kGateway6, 80), 0);
    add_address("lo", prefix("2001:db8::1/128"));
    EXPECT_EQ(connect_from(netns.get(), "2001:db8::1", 80), 0);
}

TEST_P(EndpointTest, LeavesNothingWhereItFails) {
    ensure_bridge(bridge());
    EndpointSpec bad_gateway = endpoint();
    bad_gateway.gateways = {ip("192.168.1.1")};
    try {
        std::ignore = attach(bad_gateway);
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_NE(
            std::string(error.what()).find("endpoint eth0 on berth-t: add default route via 192.168.1.1"),
            std::string::npos)
            << error.what();
    }
    EXPECT_FALSE(find_link("ve-test"));
    EndpointSpec twice = endpoint();
    twice.addresses.push_back(twice.addresses.front());
    EXPECT_EQ(kind_of([&] { std::ignore = attach(twice); }), ErrorKind::conflict);
    EXPECT_FALSE(find_link("ve-test"));
    EndpointSpec taken = endpoint();
    taken.interface = "lo";
    EXPECT_EQ(kind_of([&] { std::ignore = attach(taken); }), ErrorKind::conflict);
    EXPECT_FALSE(find_link("ve-test"));
    EndpointSpec bad_sysctl = endpoint();
    bad_sysctl.sysctls = {{"net.ipv4.conf.IFNAME.no_such_thing", "1"}};
    EXPECT_EQ(kind_of([&] { std::ignore = attach(bad_sysctl); }), ErrorKind::not_found);
    EXPECT_FALSE(find_link("ve-test"));
    EXPECT_NO_THROW(std::ignore = attach(endpoint()));
}

TEST_P(EndpointTest, SetsSysctlsAndRoutes) {
    ensure_bridge(bridge());
    EndpointSpec spec = endpoint();
    spec.interface = "web.0";
    spec.sysctls = {{"net.ipv4.conf.IFNAME.log_martians", "1"}};
    spec.gateways = {};
    spec.direct_routes = {prefix("192.0.2.0/24")};
    UniqueFd netns = attach(spec);
    add_address("berth-t", prefix("192.0.2.1/32"));
    UniqueFd listener = bound_socket(SOCK_STREAM, ip("0.0.0.0"), 80);
    EXPECT_EQ(connect_from(netns.get(), "192.0.2.1", 80), 0);
    EXPECT_EQ(connect_from(netns.get(), "198.51.100.1", 80), ENETUNREACH);
    NamespaceScope scope(netns.get());
    EXPECT_EQ(sysctl("ipv4/conf/web.0/log_martians"), "1");
    EXPECT_EQ(host_routes(), (std::vector{prefix("10.77.0.0/24"), prefix("192.0.2.0/24")}));
}

TEST_P(EndpointTest, NeighboursForgetWhoHadTheAddress) {
    ensure_bridge(bridge6());
    for (const char* mac : {"02:00:00:00:00:01", "02:00:00:00:00:02"}) {
        EndpointSpec spec = endpoint6(endpoint());
        spec.mac = MacAddress::parse(mac);
        UniqueFd netns = attach(spec);
        UniqueFd listener;
        {
            NamespaceScope scope(netns.get());
            listener = bound_socket(SOCK_STREAM, ip("::"), 80);
        }
        EXPECT_EQ(connect_to(ip("10.77.0.2"), 80, 900), 0) << mac;
        EXPECT_EQ(connect_to(ip("fd77::2"), 80, 900), 0) << mac;
        remove_link("ve-test");
    }
}

TEST_F(LinkTest, SysctlsAreOfTheInterfaceAlone) {
    ensure_bridge(bridge());
    for (const char* key : {"kernel.hostname", "net.ipv4.ip_forward", "net.ipv4.conf.IFNAME..forwarding",
                            "net.ipv4.conf.IFNAME/../all.forwarding", "IFNAME"}) {
        UniqueFd netns = make_namespace();
        EndpointSpec spec = endpoint();
        spec.sysctls = {{key, "1"}};
        EXPECT_EQ(kind_of([&] { attach_endpoint(netns.get(), spec); }), ErrorKind::invalid_argument) << key;
    }
}

TEST_F(LinkTest, ATakenHostInterfaceStays) {
    ensure_bridge(bridge());
    PreparedNamespace other = make_namespace("ve-test");
    UniqueFd netns = make_namespace();
    EXPECT_EQ(kind_of([&] { attach_endpoint(netns.get(), endpoint()); }), ErrorKind::conflict);
    EXPECT_TRUE(find_link("ve-test"));
    EndpointSpec nowhere = endpoint();
    nowhere.parent = "absent0";
    EXPECT_EQ(kind_of([&] { attach_endpoint(netns.get(), nowhere); }), ErrorKind::not_found);
}

TEST_F(LinkTest, IsolatedPortsDoNotSeeEachOther) {
    ensure_bridge(bridge());
    EndpointSpec one = endpoint(), other = endpoint("10.77.0.3/24");
    other.host_interface = "ve-test2";
    UniqueFd first = make_namespace(), second = make_namespace();
    attach_endpoint(first.get(), one);
    attach_endpoint(second.get(), other);
    UniqueFd listener;
    {
        NamespaceScope scope(second.get());
        listener = bound_socket(SOCK_STREAM, ip("0.0.0.0"), 80);
    }
    set_port_isolated("ve-test", true);
    set_port_isolated("ve-test2", true);
    EXPECT_EQ(connect_from(first.get(), "10.77.0.3", 80, 300), ETIMEDOUT);
    EXPECT_EQ(connect_to(ip("10.77.0.3"), 80), 0) << "the host reaches both";
    set_port_isolated("ve-test", false);
    EXPECT_EQ(connect_from(first.get(), "10.77.0.3", 80), 0);
}

TEST_F(LinkTest, APortReflectsOnlyWhereBridgesCallIpRules) {
    const char* key = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if (!sys::exists(key)) GTEST_SKIP() << "bridges don't call the rules of IP (br_netfilter)";
    ensure_bridge(bridge());
    sys::write_kernel_file("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
    for (const char* value : {"0", "1"}) {
        sys::write_kernel_file(key, value);
        UniqueFd netns = make_namespace();
        attach_endpoint(netns.get(), endpoint());
        netlink::Socket socket(NETLINK_ROUTE);
        netlink::Message query("", RTM_GETLINK, 0, ifinfomsg{});
        query.text(IFLA_IFNAME, "ve-test");
        std::optional<uint8_t> mode;
        socket.request(std::move(query), [&](const nlmsghdr& reply) {
            auto info = netlink::Attributes::of<ifinfomsg>(reply).nested(IFLA_LINKINFO);
            mode = info.nested(IFLA_INFO_SLAVE_DATA).number<uint8_t>(IFLA_BRPORT_MODE);
        });
        EXPECT_EQ(mode, value[0] - '0');
        remove_link("ve-test");
    }
}

TEST_F(LinkTest, DefaultRoutesAreReplaced) {
    ensure_bridge(bridge());
    BridgeSpec second = bridge();
    second.name = "berth-u";
    second.addresses = {prefix("10.88.0.1/24")};
    ensure_bridge(second);
    add_address("lo", prefix("192.0.2.1/32"));
    UniqueFd netns = make_namespace();
    attach_endpoint(netns.get(), endpoint());
    EndpointSpec other = endpoint("10.88.0.2/24");
    other.parent = "berth-u";
    other.host_interface = "ve-test2";
    other.interface = "eth1";
    other.gateways = {};
    attach_endpoint(netns.get(), other);

    UniqueFd listener = bound_socket(SOCK_STREAM, ip("192.0.2.1"), 80);
    auto client = [&]() -> std::string {
        if (int failed = connect_from(netns.get(), "192.0.2.1", 80); failed != 0) return errno_text(failed);
        sockaddr_in from{};
        socklen_t size = sizeof(from);
        UniqueFd accepted(accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
        char text[INET_ADDRSTRLEN] = {};
        inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
        return text;
    };
    EXPECT_EQ(client(), "10.77.0.2");
    set_default_routes(netns.get(), {{ip("10.88.0.1"), "eth1"}});
    EXPECT_EQ(client(), "10.88.0.2");
    set_default_routes(netns.get(), {{ip("10.88.0.1"), "eth1"}});
    EXPECT_EQ(client(), "10.88.0.2");
    set_default_routes(netns.get(), {});
    EXPECT_EQ(client(), errno_text(ENETUNREACH));
}

TEST_F(LinkTest, TheHostIsAsked) {
    EXPECT_TRUE(host_routes().empty()) << "there is no table yet";
    ensure_bridge(bridge6());
    auto routes = host_routes();
    EXPECT_TRUE(std::ranges::count(routes, prefix("10.77.0.0/24")));
    EXPECT_TRUE(std::ranges::count(routes, prefix("fd77::/64")));
    auto addresses = host_addresses();
    for (const char* text : {"127.0.0.1", "::1", kGateway4, kGateway6})
        EXPECT_TRUE(std::ranges::count(addresses, ip(text))) << text;
    add_address("berth-t", prefix("10.77.0.99/32"));
    add_address("berth-t", prefix("10.77.0.99/32"));
    EXPECT_TRUE(std::ranges::count(addresses_of("berth-t"), prefix("10.77.0.99/32")));
    remove_address("berth-t", ip("10.77.0.99"));
    remove_address("berth-t", ip("10.77.0.99"));
    EXPECT_FALSE(std::ranges::count(addresses_of("berth-t"), prefix("10.77.0.99/32")));
    EXPECT_TRUE(enable_forwarding(Family::v4));
    EXPECT_EQ(sysctl("ipv4/ip_forward"), "1");
    EXPECT_TRUE(enable_forwarding(Family::v6));
    EXPECT_EQ(sysctl("ipv6/conf/all/forwarding"), "1");
    EXPECT_EQ(list_links().size(), 2U);
    remove_link("berth-t");
    remove_link("berth-t");
    EXPECT_EQ(list_links().size(), 1U);
}

TEST_F(LinkTest, ManyLinksAreListed) {
    ensure_bridge(bridge());
    std::vector<PreparedNamespace> all;
    for (int i = 0; i < 40; ++i) all.push_back(make_namespace(fmt::format("ve{}", i)));
    EXPECT_EQ(list_links().size(), 42U);
}

TEST_F(LinkTest, MacvlanSitsOnItsParent) {
    PreparedNamespace peer = make_namespace("parent0");
    {
        NamespaceScope scope(peer.netns.get());
        add_address("eth0", prefix("10.66.0.1/24"));
    }
    // Both ends up, as bridge ports of the test.
    ensure_bridge({.name = "berth-t"});
    EndpointSpec up{.parent = "berth-t",
                    .host_interface = "parent0",
                    .has_pair = true,
                    .prepared_interface = "eth0",
                    .interface = "eth0",
                    .gateways = {}};
    attach_endpoint(peer.netns.get(), up);

    UniqueFd netns = make_namespace();
    EndpointSpec spec = endpoint("10.66.0.2/24");
    spec.kind = EndpointKind::macvlan;
    spec.parent = "berth-t";
    spec.host_interface.clear();
    spec.gateways = {ip("10.66.0.1")};
    try {
        attach_endpoint(netns.get(), spec);
    } catch (const Error& error) {
        if (error.code() == EOPNOTSUPP) GTEST_SKIP() << "the kernel has no macvlan";
        throw;
    }
    EXPECT_EQ(link_in(netns.get(), "eth0").kind, "macvlan");
    EXPECT_EQ(link_in(netns.get(), "eth0").mac, *spec.mac);
    UniqueFd listener;
    {
        NamespaceScope scope(peer.netns.get());
        listener = bound_socket(SOCK_STREAM, ip("10.66.0.1"), 80);
    }
    EXPECT_EQ(connect_from(netns.get(), "10.66.0.1", 80), 0);
    spec.mode = "sideways";
    spec.interface = "eth1";
    EXPECT_EQ(kind_of([&] { attach_endpoint(netns.get(), spec); }), ErrorKind::invalid_argument);
}

TEST_F(LinkTest, IpvlanSitsOnItsParent) {
    ensure_bridge(bridge());
    UniqueFd netns = make_namespace();
    EndpointSpec spec = endpoint();
    spec.kind = EndpointKind::ipvlan;
    spec.mode = "l3";
    try {
        attach_endpoint(netns.get(), spec);
    } catch (const Error& error) {
        if (error.code() == EOPNOTSUPP) GTEST_SKIP() << "the kernel has no ipvlan";
        throw;
    }
    EXPECT_EQ(link_in(netns.get(), "eth0").kind, "ipvlan");
    EXPECT_NE(connect_from(netns.get(), "198.51.100.1", 80, 100), ENETUNREACH) << "no default route";
    UniqueFd inner = make_namespace();
    spec.addresses = {prefix("10.77.9.2/24")};
    spec.gateways = {};
    attach_endpoint(inner.get(), spec);
    EXPECT_EQ(connect_from(inner.get(), "198.51.100.1", 80, 100), ENETUNREACH);
}

TEST_F(LinkTest, APlaceOnAParentIsTakenOverFromWhoHasEnded) {
    ensure_bridge(bridge());
    EndpointSpec macvlan = endpoint();
    macvlan.kind = EndpointKind::macvlan;
    EndpointSpec passthru = macvlan, ipvlan = macvlan;
    passthru.mode = "passthru";
    ipvlan.kind = EndpointKind::ipvlan;
    size_t count = 0;
    for (const EndpointSpec& spec : {macvlan, passthru, ipvlan}) {
        UniqueFd first = make_namespace(), second = make_namespace();
        try {
            attach_endpoint(first.get(), spec);
        } catch (const Error& error) {
            if (error.code() == EOPNOTSUPP) continue;
            throw;
        }
        ++count;
        first.reset();  // its device is removed later, in the background
        attach_endpoint(second.get(), spec);
        EXPECT_EQ(link_in(second.get(), "eth0").name, "eth0");
        detach_endpoint(second.get(), "eth0");
    }
    if (count == 0) GTEST_SKIP() << "the kernel has neither macvlan nor ipvlan";
}

TEST_F(LinkTest, AParentLeadsNowhere) {
    try {
        EXPECT_TRUE(ensure_parent("dm-0123456789ab", "berth-test"));
    } catch (const Error& error) {
        if (error.code() == EOPNOTSUPP) GTEST_SKIP() << "the kernel has no dummy devices";
        throw;
    }
    EXPECT_FALSE(ensure_parent("dm-0123456789ab", "berth-test"));
    EXPECT_EQ(find_link("dm-0123456789ab")->kind, "dummy");
    EXPECT_EQ(find_link("dm-0123456789ab")->alias, "berth-test");
}

TEST_F(LinkTest, AParentIsMadeWhereItIsAVlan) {
    EXPECT_FALSE(ensure_parent("lo", ""));
    EXPECT_EQ(kind_of([] { ensure_parent("absent0", ""); }), ErrorKind::invalid_argument);
    EXPECT_EQ(kind_of([] { ensure_parent("absent0.10", ""); }), ErrorKind::not_found);
    EXPECT_EQ(kind_of([] { ensure_parent("lo.4095", ""); }), ErrorKind::invalid_argument);
    ensure_bridge(bridge());
    try {
        EXPECT_TRUE(ensure_parent("berth-t.10", "berth-test"));
    } catch (const Error& error) {
        if (error.code() == EOPNOTSUPP) GTEST_SKIP() << "the kernel has no VLANs";
        throw;
    }
    EXPECT_EQ(find_link("berth-t.10")->kind, "vlan");
    EXPECT_EQ(find_link("berth-t.10")->alias, "berth-test");
}

}  // namespace
}  // namespace berth::net

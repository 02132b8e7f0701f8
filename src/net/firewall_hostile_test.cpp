// SPDX-License-Identifier: Apache-2.0
// Packets that lie about where they come from, and paths around the rules.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include "net/firewall_fixture.h"
#include "net/link.h"

namespace berth::net {
namespace {

constexpr uint16_t kVictimsPort = 5555, kOwnPort = 46000;

void put(std::string& to, uint16_t value) {
    to.push_back(static_cast<char>(value >> 8));
    to.push_back(static_cast<char>(value & 0xff));
}

uint16_t internet_checksum(std::string bytes) {
    if (bytes.size() % 2 != 0) bytes.push_back('\0');
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes.size(); i += 2)
        sum +=
            static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << 8 | static_cast<uint8_t>(bytes[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

std::string bytes_of(const IpAddress& address) {
    return {reinterpret_cast<const char*>(address.bytes.data()), address.is_v4() ? size_t{4} : size_t{16}};
}

/// A datagram of one byte, with the header of its protocol. IPv6 must have a checksum.
std::string udp_packet(const IpAddress& from, uint16_t from_port, const IpAddress& to, uint16_t to_port) {
    constexpr uint16_t kLength = 9;
    std::string udp;
    put(udp, from_port);
    put(udp, to_port);
    put(udp, kLength);
    put(udp, 0);
    udp.push_back('x');
    std::string pseudo = bytes_of(from) + bytes_of(to);
    put(pseudo, IPPROTO_UDP);
    put(pseudo, kLength);
    std::string sum;
    put(sum, internet_checksum(pseudo + udp));
    udp.replace(6, 2, sum);
    std::string header;
    if (!from.is_v4()) {
        header = std::string("\x60\0\0\0", 4);
        put(header, kLength);
        header += std::string("\x11\x40", 2);
        return header + bytes_of(from) + bytes_of(to) + udp;
    }
    header = std::string("\x45\0", 2);
    put(header, 20 + kLength);
    header += std::string("\0\1\0\0\x40\x11\0\0", 8) + bytes_of(from) + bytes_of(to);
    sum.clear();
    put(sum, internet_checksum(header));
    return header.replace(10, 2, sum) + udp;
}

class FirewallHostile : public FirewallLab {
  protected:
    /// Out of the interface eth0 of `place`, to the gateway's hardware address.
    void send_raw(const std::string& place, const std::string& gateway_device, const std::string& packet) {
        MacAddress mac = find_link(gateway_device).value().mac;
        NamespaceScope scope(netns(place));
        UniqueFd fd(sys::check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_protocol = htons((packet[0] & 0xf0) == 0x60 ? ETH_P_IPV6 : ETH_P_IP);
        to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
        to.sll_halen = 6;
        std::memcpy(to.sll_addr, mac.bytes.data(), 6);
        EXPECT_EQ(
            ::sendto(fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
            static_cast<ssize_t>(packet.size()));
    }

    UniqueFd datagrams(const std::string& place, uint16_t port) {
        UniqueFd fd = make_socket(place, SOCK_DGRAM);
        int off = 0;
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        sockaddr_in6 address = socket_address("::", port);
        sys::check(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
        return fd;
    }
    static bool comes(const UniqueFd& fd) {
        pollfd wait{fd.get(), POLLIN, 0};
        return ::poll(&wait, 1, kSilence_ms) == 1;
    }
    static void send_to(const UniqueFd& fd, const std::string& to, uint16_t port) {
        sockaddr_in6 address = socket_address(to, port);
        ::sendto(fd.get(), "?", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }

    /// `attacker` has the host send him a packet of the victim's, so that his own to the victim would be the
    /// answers. Whether that came back, and whether the victim gets what he sends then.
    std::pair<bool, bool> bounce(const std::string& attacker, const std::string& gateway_device,
                                 const std::string& own_address, const std::string& victim,
                                 const std::string& victims_address) {
        UniqueFd own = datagrams(attacker, kOwnPort), theirs = datagrams(victim, kVictimsPort);
        // Each side has to know the other's hardware address.
        send_to(own, own_address.find(':') == std::string::npos ? "192.0.2.1" : "fd00:c::1", 9);
        send_raw(attacker, gateway_device,
                 udp_packet(ip(victims_address), kVictimsPort, ip(own_address), kOwnPort));
        bool is_back = false;
        for (pollfd wait{own.get(), POLLIN, 0}; !is_back && ::poll(&wait, 1, kSilence_ms) == 1;) {
            char byte = 0;
            is_back = ::recv(own.get(), &byte, 1, 0) == 1 && byte == 'x';
        }
        send_to(own, victims_address, kVictimsPort);
        return {is_back, comes(theirs)};
    }
};

using Spoofed = std::pair<bool, bool>;
constexpr Spoofed kNothing{false, false};

std::string name_of(const ::testing::TestParamInfo<bool>& info) {
    return info.param ? "WithBridgeFilter" : "Plain";
}
INSTANTIATE_TEST_SUITE_P(, FirewallHostile, ::testing::Bool(), name_of);

TEST_P(FirewallHostile, NobodySaysThatHeIsOnAnotherBridge) {
    // The kernel's own check is off, as on many machines.
    host("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
    // Without rules all of these packets arrive.
    EXPECT_EQ(bounce("c", "br-two", "172.18.0.2", "a", "172.17.0.2"), Spoofed(true, true));
    EXPECT_EQ(bounce("c", "br-two", "fd00:18::2", "a", "fd00:17::2"), Spoofed(true, true));
    EXPECT_EQ(bounce("client", "ve-client", "192.0.2.2", "a", "172.17.0.2"), Spoofed(true, true));
    start(both_bridges());
    EXPECT_EQ(bounce("c", "br-two", "172.18.0.2", "b", "172.17.0.3"), kNothing);
    EXPECT_EQ(bounce("c", "br-two", "fd00:18::2", "b", "fd00:17::3"), kNothing);
    EXPECT_EQ(bounce("client", "ve-client", "192.0.2.2", "b", "172.17.0.3"), kNothing);
    EXPECT_EQ(bounce("client", "ve-client", "fd00:c::2", "b", "fd00:17::3"), kNothing);
    // And honest ones go on.
    listen("client", 80);
    EXPECT_EQ(connect("c", "192.0.2.2", 80), reached("client", "192.0.2.1"));
    EXPECT_EQ(connect("c", "fd00:c::2", 80), reached("client", "fd00:c::1"));
}

/// Whoever a connection is said to be with: a source outside makes the way there one of answers.
TEST_P(FirewallHostile, NoTrickOpensAnInternalNetwork) {
    host("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
    FirewallChange all = both_bridges();
    all.bridges[1].is_internal = true;
    start(all);
    EXPECT_EQ(bounce("c", "br-two", "172.18.0.2", "client", "192.0.2.2"), Spoofed(true, false));
    EXPECT_EQ(bounce("c", "br-two", "fd00:18::2", "client", "fd00:c::2"), Spoofed(true, false));
    EXPECT_EQ(bounce("c", "br-two", "172.18.0.2", "a", "172.17.0.2"), kNothing);
    // A connection that was made before the network became internal.
    all.bridges[1].is_internal = false;
    apply(all);
    listen("client", 53, SOCK_DGRAM);
    UniqueFd client = datagrams("c", kOwnPort), server = datagrams("client", kVictimsPort);
    send_to(client, "192.0.2.2", kVictimsPort);
    EXPECT_TRUE(comes(server));
    all.bridges[1].is_internal = true;
    apply(all);
    char byte = 0;
    ASSERT_EQ(::recv(server.get(), &byte, 1, 0), 1);
    send_to(client, "192.0.2.2", kVictimsPort);
    EXPECT_FALSE(comes(server));
}

/// A network may be given a subnet that the LAN has too; link-local ones are everywhere.
TEST_P(FirewallHostile, WhoHasARouteIsBelieved) {
    host("ip addr add 172.18.7.1/24 dev ve-client");
    in("client", "ip addr add 172.18.7.2/24 dev eth0");
    FirewallChange all = both_bridges();
    all.bridges[1].subnets.push_back(subnet("fe80::/64"));
    start(all);
    listen("host", 22);
    in("client", "ip route add 192.0.2.1/32 dev eth0 src 172.18.7.2");
    EXPECT_EQ(connect("client", "192.0.2.1", 22), reached("host", "172.18.7.2"));
    std::string set = host("nft list set inet berth-0a1b2c3d subnets6");
    EXPECT_NE(set.find("fd00:18::/64"), std::string::npos) << set;
    EXPECT_EQ(set.find("fe80::"), std::string::npos) << set;
    // Neighbour discovery comes from these.
    in("client", "ip -6 neigh flush dev eth0");
    EXPECT_EQ(connect("client", "fd00:c::1", 22), reached("host", "fd00:c::2"));
}

TEST_P(FirewallHostile, ThePortHolderIsNoWayOutOfAnInternalNetwork) {
    FirewallChange all = both_bridges();
    all.bridges[1].is_internal = true;
    start(all);
    listen("host", 8082);
    listen("host", 22);
    EXPECT_EQ(connect("c", "fd00:18::1", 8082), reached("host", "fd00:18::2"));
    FirewallChange one, two;
    one.spliced = {{Protocol::tcp, 8082, "one"}};
    two.spliced = {{Protocol::tcp, 8082, "two"}};
    apply(one);
    apply(two);
    EXPECT_TRUE(is_dropped("c", "fd00:18::1", 8082));
    EXPECT_TRUE(is_dropped("c", "172.18.0.1", 8082));
    EXPECT_EQ(connect("c", "fd00:18::1", 22), reached("host", "fd00:18::2"));
    EXPECT_EQ(connect("a", "fd00:17::1", 8082), reached("host", "fd00:17::2"));
    EXPECT_EQ(connect("client", "fd00:c::1", 8082), reached("host", "fd00:c::2"));
    std::swap(one.spliced, one.removed_spliced);
    apply(one);
    EXPECT_TRUE(is_dropped("c", "fd00:18::1", 8082)) << "another container's goes on";
    std::swap(two.spliced, two.removed_spliced);
    apply(two);
    EXPECT_EQ(connect("c", "fd00:18::1", 8082), reached("host", "fd00:18::2"));
}

TEST_P(FirewallHostile, TheHostIsARouterForItsContainersAlone) {
    add_host("far", "198.51.100.1/24", "fd00:f::1/64", "198.51.100.2/24", "fd00:f::2/64", "");
    in("far", "ip route add default via 198.51.100.1; ip -6 route add default via fd00:f::1");
    in("client", "ip route add default via 192.0.2.1; ip -6 route add default via fd00:c::1");
    FirewallChange all = both_bridges();
    all.bridges.pop_back();
    all.ports = {port("0.0.0.0", 8080, "172.17.0.2", 80)};
    start(all);
    for (const char* place : {"a", "c", "far"}) listen(place, 80);
    EXPECT_EQ(connect("client", "198.51.100.2", 80), reached("far", "192.0.2.2"));
    EXPECT_EQ(connect("client", "fd00:f::2", 80), reached("far", "fd00:c::2"));
    FirewallChange close;
    close.closed = {Family::v4};
    apply(close);
    EXPECT_TRUE(is_dropped("client", "198.51.100.2", 80));
    EXPECT_EQ(connect("client", "fd00:f::2", 80), reached("far", "fd00:c::2"));
    close.closed = {Family::v4, Family::v6};
    apply(close);
    EXPECT_TRUE(is_dropped("client", "fd00:f::2", 80));
    EXPECT_EQ(connect("client", "192.0.2.1", 8080), reached("a", "192.0.2.2"));
    EXPECT_EQ(connect("a", "198.51.100.2", 80), reached("far", "198.51.100.1"));
    // br-two is another engine's here: it looks after itself.
    EXPECT_EQ(connect("client", "172.18.0.2", 80), reached("c", "192.0.2.2"));
    EXPECT_EQ(connect("c", "198.51.100.2", 80), reached("far", "172.18.0.2"));
}

}  // namespace
}  // namespace berth::net

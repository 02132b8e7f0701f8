// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"

/// Bridges, endpoints, addresses and routes by rtnetlink(7). Blocking, any thread; several requests go in one
/// system call where they can. Errors name the call, the device and errno.
namespace berth::net {

struct LinkInfo {
    int index = 0;
    std::string name, kind, alias;  ///< kind: "bridge", "veth", …
    int master = 0;                 ///< index of its bridge
    MacAddress mac;
    int mtu = 0;
    bool is_up = false;
    bool is_running = false;  ///< it is up, has a carrier, and the kernel has taken note of both
};
std::vector<LinkInfo> list_links();
std::optional<LinkInfo> find_link(const std::string& name);

struct BridgeSpec {
    std::string name;
    std::string alias;                    ///< by which the daemon knows its own later; "": left alone
    std::vector<Prefix> addresses;        ///< the gateways'; others that `alias` bridges have are removed
    int mtu = 0;                          ///< 0: the kernel's
    std::optional<bool> routes_loopback;  ///< as route_loopback(); nothing: left as it is
    bool is_ours = true;                  ///< false: the user's own bridge: only missing addresses are added
};
/// Makes it, or brings the one of that name to the specification; up in the end, with forwarding set as
/// published ports need it. True where it was made. conflict where the name belongs to a device that is no
/// bridge.
bool ensure_bridge(const BridgeSpec& spec);
/// Whether 127.0.0.1 may be translated to what is on the bridge (route_localnet). Only while packet rules
/// drop what comes from it to 127.0.0.0/8: else containers reach the host's own services there
/// (CVE-2020-8558). Absent is fine.
void route_loopback(const std::string& bridge, bool enabled);
/// Absent is fine.
void remove_link(const std::string& name);
void add_address(const std::string& interface, const Prefix& address);        ///< present is fine
void remove_address(const std::string& interface, const IpAddress& address);  ///< absent is fine
std::vector<Prefix> addresses_of(const std::string& interface);

/// Whether the host routes packets: net.ipv4.ip_forward, net.ipv6.conf.all.forwarding. False where the kernel
/// doesn't know the family.
bool is_forwarding(Family family);
/// Returns false where it could not be set.
bool enable_forwarding(Family family);
/// Of the main table, without default routes: what a new subnet must not overlap.
std::vector<Prefix> host_routes();
/// The addresses that the host itself has (of all interfaces), loopback included.
std::vector<IpAddress> host_addresses();

enum class EndpointKind { bridge, macvlan, ipvlan };

struct EndpointSpec {
    EndpointKind kind = EndpointKind::bridge;
    std::string parent;          ///< the bridge, or the parent device of macvlan and ipvlan
    std::string mode;            ///< macvlan: bridge (default), private, vepa, passthru; ipvlan: l2, l3, l3s
    std::string host_interface;  ///< the host's end of the veth pair
    bool has_pair = false;       ///< the pair exists, with `prepared_interface` inside (PreparedNamespace)
    std::string prepared_interface;
    std::string interface;  ///< the name inside: "eth0"
    std::optional<MacAddress> mac;
    std::vector<Prefix> addresses;
    std::vector<IpAddress> gateways;  ///< default routes, at most one for each family
    std::vector<Prefix> direct_routes;
    int mtu = 0;
    uint32_t metric = 0;
    std::map<std::string, std::string> sysctls;  ///< "net.ipv4.conf.IFNAME.log_martians" -> value
};

/// Makes the interface inside the namespace, with everything above, up. Nothing is left where it throws.
/// conflict where `interface` or an address is taken.
void attach_endpoint(int netns, const EndpointSpec& spec);
/// Host ends of pairs that lost their bridge, because somebody deleted it, join the one of that name: (end,
/// bridge). Those that are in it, or absent, are left alone. Which joined.
std::vector<std::string> rejoin_bridges(const std::vector<std::pair<std::string, std::string>>& ends);
/// Removes an interface inside (a veth's other end goes with it, in the background of the kernel: 28 ms).
/// Absent is fine.
void detach_endpoint(int netns, const std::string& interface);
/// Replaces the default routes of the namespace; empty: none.
void set_default_routes(int netns, const std::vector<std::pair<IpAddress, std::string>>& gateways);
/// Unsolicited ARP and neighbour advertisements are the kernel's (arp_notify); this tells bridge ports:
/// whether a port is isolated from other isolated ones of its bridge.
void set_port_isolated(const std::string& host_interface, bool isolated);

/// A device macvlan or ipvlan may sit on: makes the VLAN "eth0.10" where only "eth0" is there, and for a name
/// that begins with "dm-" a device that leads nowhere (kind "dummy"). True where it was made.
bool ensure_parent(const std::string& parent, const std::string& alias);

}  // namespace berth::net

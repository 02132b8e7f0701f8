// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/error.h"
#include "base/strings.h"
#include "net/link.h"
#include "net/link_messages.h"
#include "net/namespace.h"
#include "sys/file.h"

/// Endpoints: what a container sees as eth0.
///
///   host's namespace                 container's namespace
///   1 pair made (or there already), its end in the bridge and up
///                                    2 settings of IPv6 and the user's, by /proc/sys
///                                    3 one sendmsg: name, MAC, MTU, IPv4, up, IPv6, routes
///   4 the bridge's port forwards
///                                    5 neighbours are told where they may remember somebody else
namespace berth::net {

using netlink::Message;
using netlink::Socket;

namespace {

std::string what(const EndpointSpec& spec, std::string_view step) {
    return fmt::format("endpoint {} on {}: {}", spec.interface, spec.parent, step);
}

void add_mac_and_mtu(Message& message, const EndpointSpec& spec) {
    if (spec.mac) message.attribute(IFLA_ADDRESS, {reinterpret_cast<const char*>(spec.mac->bytes.data()), 6});
    if (spec.mtu != 0) message.number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));
}

bool has_v6(const EndpointSpec& spec) {
    return std::ranges::any_of(spec.addresses, [](const Prefix& p) { return !p.address.is_v4(); });
}

uint32_t macvlan_mode(const std::string& mode) {
    if (mode.empty() || mode == "bridge") return MACVLAN_MODE_BRIDGE;
    if (mode == "private") return MACVLAN_MODE_PRIVATE;
    if (mode == "vepa") return MACVLAN_MODE_VEPA;
    if (mode == "passthru") return MACVLAN_MODE_PASSTHRU;
    throw make_error(ErrorKind::invalid_argument, "unknown macvlan mode: {}", mode);
}

uint16_t ipvlan_mode(const std::string& mode) {
    if (mode.empty() || mode == "l2") return IPVLAN_MODE_L2;
    if (mode == "l3") return IPVLAN_MODE_L3;
    if (mode == "l3s") return IPVLAN_MODE_L3S;
    throw make_error(ErrorKind::invalid_argument, "unknown ipvlan mode: {}", mode);
}

/// Where bridges hand their frames to the rules of IP (br_netfilter, which Docker and Kubernetes load), a
/// connection to a published port of the own bridge is translated without leaving the bridge: for the
/// container itself the frame then has to go back out of the port it came from.
bool needs_hairpin() {
    for (const char* key : {"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"})
        if (sys::try_read_file(fmt::format("/proc/sys/net/bridge/{}", key)).value_or("").starts_with("1"))
            return true;
    return false;
}

Message hairpin_on(std::string what, const std::string& port) {
    Message message = netlink::link_message(std::move(what), port);
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_SLAVE_KIND, "bridge");
        message.nested(IFLA_INFO_SLAVE_DATA, [&] { message.number<uint8_t>(IFLA_BRPORT_MODE, 1); });
    });
    return message;
}

/// Step 1 for a bridge. The host's end joins and goes up first: the pair's carrier comes when the other one
/// goes up too.
void connect_to_bridge(Socket& host, int netns, const EndpointSpec& spec, int bridge) {
    std::vector<Message> batch;
    if (spec.has_pair) {
        batch.push_back(netlink::link_up(what(spec, fmt::format("join with {}", spec.host_interface)),
                                         spec.host_interface));
        batch.back().number<int>(IFLA_MASTER, bridge);
        if (spec.mtu != 0) batch.back().number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));
    } else {
        auto fill_end = [&](Message& message) {
            message.number<int>(IFLA_MASTER, bridge);
            if (spec.mtu != 0) message.number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));
        };
        auto fill_peer = [&](Message& message) { add_mac_and_mtu(message, spec); };
        batch.push_back(
            netlink::veth_pair(what(spec, fmt::format("make the veth pair {}", spec.host_interface)),
                               spec.host_interface, netns, spec.interface, fill_end, fill_peer, true));
    }
    if (needs_hairpin()) batch.push_back(hairpin_on(what(spec, "set hairpin mode"), spec.host_interface));
    if (spec.has_pair) {
        host.must(std::move(batch));
    } else {
        netlink::make_port(host, std::move(batch), spec.host_interface);
    }
}

/// Step 1 for devices that sit on another one.
void make_on_parent(Socket& host, int netns, const EndpointSpec& spec, int parent) {
    bool is_macvlan = spec.kind == EndpointKind::macvlan;
    std::vector<Message> batch;
    Message& message = batch.emplace_back(
        netlink::link_message(what(spec, is_macvlan ? "make the macvlan device" : "make the ipvlan device"),
                              spec.interface, NLM_F_CREATE | NLM_F_EXCL));
    message.number<int>(IFLA_LINK, parent);
    message.number<int>(IFLA_NET_NS_FD, netns);
    if (is_macvlan) {
        add_mac_and_mtu(message, spec);
    } else if (spec.mtu != 0) {
        message.number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));  // the MAC is its parent's
    }
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_KIND, is_macvlan ? "macvlan" : "ipvlan");
        message.nested(IFLA_INFO_DATA, [&] {
            if (is_macvlan) {
                message.number<uint32_t>(IFLA_MACVLAN_MODE, macvlan_mode(spec.mode));
            } else {
                message.number<uint16_t>(IFLA_IPVLAN_MODE, ipvlan_mode(spec.mode));
            }
        });
    });
    host.must(std::move(batch));
}

/// "net.ipv4.conf.IFNAME.log_martians" is /proc/sys/net/ipv4/conf/eth0/log_martians.
std::string sysctl_path(const std::string& key, const std::string& interface) {
    std::vector<std::string> parts{"/proc/sys"};
    bool is_of_interface = false;
    for (std::string_view part : split(key, '.')) {
        if (part.empty() || part.find('/') != std::string_view::npos)
            throw make_error(ErrorKind::invalid_argument, "invalid sysctl {}", key);
        is_of_interface = is_of_interface || part == "IFNAME";
        parts.emplace_back(part == "IFNAME" ? interface : part);
    }
    if (parts.size() < 4 || parts[1] != "net" || !is_of_interface)
        throw make_error(ErrorKind::invalid_argument, "invalid sysctl {}: it must be net.<…>.IFNAME.<…>",
                         key);
    return join(parts, "/");
}

/// Step 2, in the container's namespace; `name` is the interface's present one.
void set_sysctls(const EndpointSpec& spec, const std::string& name) {
    if (has_v6(spec)) {
        netlink::set_interface_sysctl("ipv6", name, "disable_ipv6", "0");
        // Who remembers another MAC for the address is told (step 5).
        netlink::set_interface_sysctl("ipv6", name, "ndisc_notify", "1");
    } else if (!spec.has_pair) {
        netlink::set_interface_sysctl("ipv6", name, "disable_ipv6", "1");
    }
    // Its MAC can't be set again, which would tell neighbours; they are told when it goes up.
    if (spec.kind == EndpointKind::ipvlan) netlink::set_interface_sysctl("ipv4", name, "arp_notify", "1");
    for (const auto& [key, value] : spec.sysctls)
        with_context([&] { return what(spec, "set sysctl " + key); },
                     [&] { sys::write_kernel_file(sysctl_path(key, name), value); });
}

void add_addresses(std::vector<Message>& batch, const EndpointSpec& spec, int index, Family family) {
    for (const Prefix& address : spec.addresses)
        if (address.address.family == family)
            batch.push_back(
                netlink::new_address(what(spec, "add address " + address.text()), index, address));
}

void add_routes(std::vector<Message>& batch, const EndpointSpec& spec, int index) {
    auto add = [&](std::string step, const netlink::Route& route) {
        batch.push_back(
            netlink::route_message(what(spec, step), RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route));
    };
    for (const Prefix& destination : spec.direct_routes)
        add("add route to " + destination.text(),
            {.family = destination.address.family, .destination = destination, .interface = index});
    for (const IpAddress& gateway : spec.gateways)
        add("add default route via " + gateway.text(),
            {.family = gateway.family, .gateway = gateway, .interface = index, .metric = spec.metric});
}

/// Step 3.
void configure(Socket& inside, const EndpointSpec& spec, const LinkInfo& link) {
    std::vector<Message> batch;
    // IPv4 addresses before it goes up, IPv6 ones (which an interface that is down would only try) after it.
    add_addresses(batch, spec, link.index, Family::v4);
    Message& up = batch.emplace_back(netlink::link_message(what(spec, "set it up"), link.index, true));
    if (link.name != spec.interface) up.text(IFLA_IFNAME, spec.interface);
    if (spec.kind != EndpointKind::ipvlan) add_mac_and_mtu(up, spec);
    netlink::add_ipv4_settings(up, {{IPV4_DEVCONF_ARP_NOTIFY, 1}});
    add_addresses(batch, spec, link.index, Family::v6);
    add_routes(batch, spec, link.index);
    inside.must(std::move(batch));
}

/// Whether others may remember another MAC for one of the addresses: not where it follows from the address.
bool needs_announcement(const EndpointSpec& spec) {
    return std::ranges::any_of(spec.addresses, [&](const Prefix& address) {
        return !address.address.is_v4() || !spec.mac || *spec.mac != MacAddress::of(address.address);
    });
}

/// Steps 4 and 5. The kernel tells a bridge of its port's carrier, and the host of the bridge's, from a work
/// queue, and until then drops what is sent; asked for a device it does so at once (since Linux 6.8), so that
/// nothing is waited for there. Neighbours are told when a device's MAC is set (arp_notify, ndisc_notify),
/// also to what it was.
void announce(Socket* host, Socket& inside, const EndpointSpec& spec) {
    if (host != nullptr) {
        netlink::await_running(*host, spec.host_interface);
        netlink::await_running(*host, spec.parent);
    }
    netlink::await_local(inside, spec.addresses);
    if (!needs_announcement(spec)) return;
    auto link = netlink::find_link(inside, spec.interface);
    if (!link) return;
    Message again = netlink::link_message("", link->index, false);
    again.attribute(IFLA_ADDRESS, {reinterpret_cast<const char*>(link->mac.bytes.data()), 6});
    inside.request(std::move(again));
}

void attach_once(int netns, const EndpointSpec& spec) {
    bool is_bridge = spec.kind == EndpointKind::bridge;
    Socket host(NETLINK_ROUTE);
    LinkInfo parent = netlink::get_link(host, what(spec, "find its parent"), spec.parent);
    bool is_prepared = is_bridge && spec.has_pair;
    std::string name = is_prepared ? spec.prepared_interface : spec.interface;
    std::optional<Socket> inside;
    try {
        if (is_bridge) {
            connect_to_bridge(host, netns, spec, parent.index);
        } else {
            make_on_parent(host, netns, spec, parent.index);
        }
        {
            NamespaceScope scope(netns);
            inside.emplace(NETLINK_ROUTE);
            set_sysctls(spec, name);
        }
        configure(*inside, spec, netlink::get_link(*inside, what(spec, "find it"), name));
        announce(is_bridge ? &host : nullptr, *inside, spec);
    } catch (...) {
        // Where the first step failed, what has the name is somebody else's.
        if (is_bridge && (is_prepared || inside)) {
            host.request(netlink::delete_link("", spec.host_interface));
        } else if (inside) {
            inside->request(netlink::delete_link("", spec.interface));
        }
        throw;
    }
}

/// Whether the one that is in the way may be a container's that has just ended: the kernel removes its
/// devices some 30 ms after its last process, and until then its parent knows its MAC (macvlan) or address
/// (ipvlan). A parent that passes all through has no place for a second device and calls that an invalid
/// argument.
bool may_pass(const EndpointSpec& spec, const Error& error) {
    if (spec.kind == EndpointKind::bridge) return false;
    return error.code() == EADDRINUSE || (error.code() == EINVAL && spec.mode == "passthru");
}

}  // namespace

void attach_endpoint(int netns, const EndpointSpec& spec) {
    constexpr useconds_t kPause = 5'000, kLimit = 2'000'000;
    for (useconds_t waited = 0;; waited += kPause) {
        try {
            return attach_once(netns, spec);
        } catch (const Error& error) {
            if (waited >= kLimit || !may_pass(spec, error)) throw;
        }
        usleep(kPause);
    }
}

std::vector<std::string> rejoin_bridges(const std::vector<std::pair<std::string, std::string>>& ends) {
    std::map<std::string, LinkInfo> links;
    for (LinkInfo& link : list_links()) links.emplace(link.name, std::move(link));
    std::vector<std::string> joined;
    Socket host(NETLINK_ROUTE);
    for (const auto& [end, bridge] : ends) {
        auto from = links.find(end), to = links.find(bridge);
        if (from == links.end() || to == links.end() || from->second.master == to->second.index) continue;
        std::string what = fmt::format("{} joins {}", end, bridge);
        Message join = netlink::link_up(what, end);
        join.number<int>(IFLA_MASTER, to->second.index);
        int failed = host.request(std::move(join));
        if (failed == 0 && needs_hairpin()) failed = host.request(hairpin_on(what, end));
        // What has ended meanwhile needs none.
        if (failed == ENODEV) continue;
        if (failed != 0) throw errno_error(failed, what);
        joined.push_back(end);
    }
    return joined;
}

void detach_endpoint(int netns, const std::string& interface) {
    std::string what = fmt::format("endpoint {}: remove it", interface);
    int failed = netlink::socket_in(netns, NETLINK_ROUTE).request(netlink::delete_link(what, interface));
    if (failed != 0 && failed != ENODEV) throw errno_error(failed, what);
}

void set_default_routes(int netns, const std::vector<std::pair<IpAddress, std::string>>& gateways) {
    Socket inside = netlink::socket_in(netns, NETLINK_ROUTE);
    std::vector<netlink::Route> wanted;
    for (const auto& [gateway, interface] : gateways)
        wanted.push_back({.family = gateway.family,
                          .gateway = gateway,
                          .interface = netlink::get_link(inside, "set default routes", interface).index});
    auto is_same = [](const netlink::Route& one, const netlink::Route& other) {
        return one.gateway == other.gateway && one.interface == other.interface;
    };
    std::vector<Message> batch;
    for (Family family : {Family::v4, Family::v6}) {
        for (const netlink::Route& route : netlink::list_routes(inside, family)) {
            // Those that routers advertised, and the kernel's "unreachable", are not ours.
            if (route.destination || route.type != RTN_UNICAST || route.protocol == RTPROT_RA) continue;
            size_t kept = std::erase_if(wanted, [&](const auto& one) { return is_same(one, route); });
            if (kept == 0)
                batch.push_back(netlink::route_message("remove a default route", RTM_DELROUTE, 0, route));
        }
    }
    for (const netlink::Route& route : wanted)
        batch.push_back(netlink::route_message(fmt::format("add default route via {}", route.gateway->text()),
                                               RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route));
    inside.must(std::move(batch));
}

}  // namespace berth::net

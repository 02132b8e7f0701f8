// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "net/link.h"
#include "net/link_messages.h"

namespace berth::net {

using netlink::Message;
using netlink::Socket;

namespace {

/// Makes the bridge with its alias in one call, so that no bridge of ours is ever without.
LinkInfo make_bridge(Socket& socket, const BridgeSpec& spec) {
    std::string what = fmt::format("bridge {}: make it", spec.name);
    std::vector<Message> batch;
    batch.push_back(netlink::link_message(what, spec.name, NLM_F_CREATE | NLM_F_EXCL));
    // One that it was given stays; else it would have that of one of its ports, and containers would lose
    // their gateway when the port goes.
    MacAddress mac = MacAddress::random();
    batch.back().attribute(IFLA_ADDRESS, {reinterpret_cast<const char*>(mac.bytes.data()), mac.bytes.size()});
    if (spec.mtu != 0) batch.back().number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));
    batch.back().nested(IFLA_LINKINFO, [&] { batch.back().text(IFLA_INFO_KIND, "bridge"); });
    if (!spec.alias.empty()) {
        batch.push_back(netlink::link_message(what, spec.name));
        batch.back().text(IFLA_IFALIAS, spec.alias);
    }
    socket.must(std::move(batch));
    return netlink::get_link(socket, what, spec.name);
}

/// What routes packets of published ports to the containers, and keeps containers from changing the host's.
void set_sysctls(const BridgeSpec& spec, bool has_v6) {
    if (!spec.is_ours && !has_v6) return;
    // A container that advertises itself as router gets nothing of the host's traffic (CVE-2020-13401).
    netlink::set_interface_sysctl("ipv6", spec.name, "accept_ra", "0");
    // Its link-local address is the one it asks for containers with when packets come from outside; for the 2
    // s in which it was looked for duplicates those packets would wait.
    if (spec.is_ours) netlink::set_interface_sysctl("ipv6", spec.name, "accept_dad", "0");
    netlink::set_interface_sysctl("ipv6", spec.name, "disable_ipv6", has_v6 ? "0" : "1");
    if (has_v6) netlink::set_interface_sysctl("ipv6", spec.name, "forwarding", "1");
}

bool is_wanted(const BridgeSpec& spec, const Prefix& address) {
    return address.address.is_link_local() || std::ranges::count(spec.addresses, address) != 0;
}

void set_addresses(Socket& socket, const BridgeSpec& spec, int index) {
    std::vector<Prefix> present = netlink::list_addresses(socket, index);
    bool has_changed = false;
    for (const Prefix& address : present) {
        if (!spec.is_ours || is_wanted(spec, address)) continue;
        std::string what = fmt::format("bridge {}: remove address {}", spec.name, address.text());
        int failed = socket.request(netlink::delete_address(what, index, address));
        // The kernel takes the other IPv4 addresses of a subnet with its first one.
        if (failed != 0 && failed != EADDRNOTAVAIL) throw errno_error(failed, what);
        has_changed = true;
    }
    if (has_changed) present = netlink::list_addresses(socket, index);
    std::vector<Message> batch;
    for (const Prefix& address : spec.addresses) {
        if (std::ranges::count(present, address) != 0) continue;
        std::string what = fmt::format("bridge {}: add address {}", spec.name, address.text());
        batch.push_back(netlink::new_address(what, index, address));
    }
    socket.must(std::move(batch));
}

}  // namespace

bool ensure_bridge(const BridgeSpec& spec) {
    Socket socket(NETLINK_ROUTE);
    auto link = netlink::find_link(socket, spec.name);
    bool is_new = !link;
    if (is_new) {
        link = make_bridge(socket, spec);
    } else if (link->kind != "bridge") {
        throw make_error(ErrorKind::conflict, "existing interface {} is not a bridge", spec.name);
    }
    try {
        bool has_v6 = std::ranges::any_of(spec.addresses, [](const Prefix& p) { return !p.address.is_v4(); });
        set_sysctls(spec, has_v6);
        set_addresses(socket, spec, link->index);
        Message last =
            netlink::link_message(fmt::format("bridge {}: set it up", spec.name), link->index, true);
        if (!spec.alias.empty() && link->alias != spec.alias) last.text(IFLA_IFALIAS, spec.alias);
        if (spec.mtu != 0 && link->mtu != spec.mtu)
            last.number<uint32_t>(IFLA_MTU, static_cast<uint32_t>(spec.mtu));
        std::vector<std::pair<uint16_t, uint32_t>> settings = {{IPV4_DEVCONF_FORWARDING, 1}};
        if (spec.routes_loopback)
            settings.emplace_back(IPV4_DEVCONF_ROUTE_LOCALNET, *spec.routes_loopback ? 1 : 0);
        add_ipv4_settings(last, settings);
        std::vector<Message> batch;
        batch.push_back(std::move(last));
        socket.must(std::move(batch));
        netlink::await_local(socket, spec.addresses);
    } catch (...) {
        if (is_new) socket.request(netlink::delete_link("", spec.name));
        throw;
    }
    return is_new;
}

void route_loopback(const std::string& bridge, bool enabled) {
    std::string what = fmt::format("bridge {}: set route_localnet", bridge);
    Message message = netlink::link_message(what, bridge);
    add_ipv4_settings(message, {{IPV4_DEVCONF_ROUTE_LOCALNET, enabled ? 1U : 0U}});
    int failed = Socket(NETLINK_ROUTE).request(std::move(message));
    if (failed != 0 && failed != ENODEV) throw errno_error(failed, what);
}

void set_port_isolated(const std::string& host_interface, bool isolated) {
    std::string what = fmt::format("network device {}: set isolation", host_interface);
    std::vector<Message> batch;
    batch.push_back(netlink::link_message(what, host_interface));
    batch.back().nested(IFLA_LINKINFO, [&] {
        batch.back().text(IFLA_INFO_SLAVE_KIND, "bridge");
        batch.back().nested(IFLA_INFO_SLAVE_DATA,
                            [&] { batch.back().number<uint8_t>(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0); });
    });
    Socket(NETLINK_ROUTE).must(std::move(batch));
}

}  // namespace berth::net

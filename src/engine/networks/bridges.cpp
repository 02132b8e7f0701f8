// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/bridges.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace berth::engine {

using net::Family;

namespace {

constexpr std::string_view kAliasStart = "berth-";

/// Not containers' ends: they go with their namespaces.
bool is_network_device(const net::LinkInfo& link) {
    return link.kind == "bridge" || link.kind == "vlan" || link.kind == "dummy";
}

}  // namespace

std::string device_alias(const std::string& tag) {
    return std::string(kAliasStart) + tag;
}

net::BridgeSpec bridge_spec(const NetworkRecord& network, const std::string& alias,
                            const std::vector<net::IpAddress>& virtual_addresses) {
    net::BridgeSpec spec;
    spec.name = network.interface;
    spec.is_ours = network.is_interface_ours;
    if (spec.is_ours) spec.alias = alias;
    spec.mtu = network.mtu();
    for (const NetworkSubnet& subnet : network.subnets) {
        if (!subnet.gateway) continue;
        if (subnet.gateway->is_v4() && network.inhibits_v4()) continue;
        spec.addresses.push_back({*subnet.gateway, subnet.subnet.length});
    }
    for (const net::IpAddress& address : virtual_addresses)
        spec.addresses.push_back({address, address.bits()});
    return spec;
}

net::BridgeRules bridge_rules(const NetworkRecord& network, const DaemonConfig& config) {
    net::BridgeRules rules;
    rules.bridge = network.interface;
    for (const NetworkSubnet& subnet : network.subnets) rules.subnets.push_back(subnet.subnet);
    rules.is_internal = network.is_internal;
    auto translates = [&](Family family) {
        return network.enables(family) && network.masquerades() && !network.is_internal &&
               network.gateway_mode(family).starts_with("nat");
    };
    rules.masquerade4 = translates(Family::v4);
    rules.masquerade6 = translates(Family::v6);
    rules.inter_container = network.inter_container();
    auto has_mode = [&](std::string_view mode) {
        return std::ranges::any_of(std::array{Family::v4, Family::v6}, [&](Family family) {
            return network.enables(family) && network.gateway_mode(family) == mode;
        });
    };
    rules.direct_routing = config.network.allow_direct_routing || has_mode("routed");
    rules.unprotected = has_mode("nat-unprotected");
    rules.trusted_interfaces = network.trusted_interfaces();
    return rules;
}

DeviceOwner owner_of_device(const std::vector<net::LinkInfo>& links, const std::string& name,
                            const std::string& alias) {
    auto link = std::ranges::find(links, name, &net::LinkInfo::name);
    if (link == links.end()) return DeviceOwner::nobody;
    if (link->alias == alias) return DeviceOwner::us;
    return link->alias.starts_with(kAliasStart) ? DeviceOwner::another_daemon : DeviceOwner::user;
}

void make_device(const NetworkRecord& network, const std::string& alias,
                 const std::vector<net::IpAddress>& virtual_addresses, std::optional<bool> routes_loopback) {
    if (network.interface.empty()) return;
    if (owner_of_device(net::list_links(), network.interface, alias) == DeviceOwner::another_daemon)
        throw make_error(ErrorKind::conflict,
                         "{} belongs to another daemon of Berth: give one of them another (--bridge, or the "
                         "network's option)",
                         network.interface);
    if (!network.is_bridge()) {
        net::ensure_parent(network.interface, alias);
        return;
    }
    net::BridgeSpec spec = bridge_spec(network, alias, virtual_addresses);
    spec.routes_loopback = routes_loopback;
    net::ensure_bridge(spec);
}

std::vector<std::string> stray_devices(const std::vector<net::LinkInfo>& links, const std::string& alias,
                                       const std::vector<std::string>& wanted) {
    std::vector<std::string> strays;
    for (const net::LinkInfo& link : links)
        if (link.alias == alias && is_network_device(link) &&
            std::ranges::find(wanted, link.name) == wanted.end())
            strays.push_back(link.name);
    return strays;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/default_networks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/create_rules.h"
#include "engine/networks/network_options.h"
#include "engine/networks/networks.h"

namespace berth::engine {

namespace options = network_options;
using net::Family;

namespace {

constexpr size_t kIdBytes = 32;

NetworkRecord make_builtin(std::string_view name, std::string_view driver) {
    NetworkRecord record;
    record.id = random_hex(kIdBytes);
    record.name = name;
    record.created_ns = now_ns();
    record.driver = driver;
    record.is_builtin = true;
    return record;
}

template <typename T>
T parse_flag(std::string_view flag, const std::string& text) {
    if (std::optional<T> value = T::parse(text)) return *value;
    throw make_error(ErrorKind::invalid_argument, "invalid --{}: {}", flag, quote(text));
}

std::string bool_text(bool value) {
    return value ? "true" : "false";
}

std::map<std::string, std::string> bridge_options(const DaemonConfig& config, const std::string& bridge) {
    const BridgeSetting& setting = config.network.bridge;
    constexpr int kEthernetMtu = 1500;
    auto more = config.network.default_options.find("bridge");
    std::map<std::string, std::string> map;
    // Options that no flag stands for.
    if (more != config.network.default_options.end()) map = more->second;
    auto set = [&](std::string_view name, std::string value) { map[std::string(name)] = std::move(value); };
    set(options::kBridgeName, bridge);
    set(options::kDefaultBridge, "true");
    set(options::kMtu, std::to_string(setting.mtu > 0 ? setting.mtu : kEthernetMtu));
    set(options::kMasquerade, bool_text(config.network.ip_masq));
    set(options::kInterContainer, bool_text(setting.inter_container));
    set(options::kHostBinding4, setting.host_ip);
    std::optional<net::IpAddress> host_ip = net::IpAddress::parse(setting.host_ip);
    if (!host_ip || host_ip->is_unspecified())
        for (const std::string& address : config.network.publish_addresses)
            set(address.find(':') == std::string::npos ? options::kHostBinding4 : options::kHostBinding6,
                address);
    return map;
}

/// The subnet that flags of one family ask for; nothing where they leave it open.
std::optional<NetworkSubnet> flagged_subnet(const DaemonConfig& config, Family family) {
    const BridgeSetting& setting = config.network.bridge;
    bool is_v4 = family == Family::v4;
    const std::string& bip = is_v4 ? setting.address : setting.address_v6;
    const std::string& fixed = is_v4 ? setting.fixed_cidr : setting.fixed_cidr_v6;
    if (bip.empty() && (is_v4 || fixed.empty())) return std::nullopt;
    NetworkSubnet subnet;
    if (bip.empty()) {
        // Docker's: without --bip6 it is the subnet itself.
        subnet.subnet = parse_flag<net::Prefix>("fixed-cidr-v6", fixed).network();
    } else {
        auto address = parse_flag<net::Prefix>(is_v4 ? "bip" : "bip6", bip);
        subnet.subnet = address.network();
        if (address.address == subnet.subnet.address && address.length + 1 < address.address.bits())
            throw make_error(ErrorKind::invalid_argument, "invalid --{}: {} is the network's own address",
                             is_v4 ? "bip" : "bip6", bip);
        subnet.gateway = address.address;
    }
    if (subnet.subnet.address.family != family)
        throw make_error(ErrorKind::invalid_argument, "invalid --{}: {} is of the other family",
                         is_v4 ? "bip" : "bip6", bip.empty() ? fixed : bip);
    return subnet;
}

void apply_range(const DaemonConfig& config, NetworkSubnet& subnet) {
    const BridgeSetting& setting = config.network.bridge;
    bool is_v4 = subnet.subnet.address.is_v4();
    const std::string& fixed = is_v4 ? setting.fixed_cidr : setting.fixed_cidr_v6;
    const char* range_flag = is_v4 ? "fixed-cidr" : "fixed-cidr-v6";
    subnet.range.reset();
    if (!fixed.empty()) {
        net::Prefix range = parse_flag<net::Prefix>(range_flag, fixed).network();
        if (!subnet.subnet.contains(range))
            throw make_error(ErrorKind::invalid_argument,
                             "invalid --{}: {} is not within the bridge's subnet {}", range_flag, fixed,
                             subnet.subnet.text());
        if (range != subnet.subnet) subnet.range = range;
    }
    const std::string& gateway = is_v4 ? setting.gateway : setting.gateway_v6;
    const char* gateway_flag = is_v4 ? "default-gateway" : "default-gateway-v6";
    subnet.auxiliary.clear();
    if (!gateway.empty()) {
        auto address = parse_flag<net::IpAddress>(gateway_flag, gateway);
        if (!subnet.subnet.contains(address))
            throw make_error(ErrorKind::invalid_argument,
                             "invalid --{}: {} is not within the bridge's subnet {}", gateway_flag, gateway,
                             subnet.subnet.text());
        subnet.auxiliary.emplace(is_v4 ? kGatewayKey4 : kGatewayKey6, address);
    }
}

/// That of the user's own bridge. Link-local ones are the kernel's.
std::optional<NetworkSubnet> subnet_of_bridge(const BridgeSurroundings& around, Family family) {
    if (!around.exists || around.is_ours) return std::nullopt;
    for (const net::Prefix& address : around.addresses) {
        if (address.address.family != family || address.address.is_link_local()) continue;
        if (address.length == address.address.bits()) continue;
        return NetworkSubnet{.subnet = address.network(), .gateway = address.address};
    }
    return std::nullopt;
}

std::optional<NetworkSubnet> kept_subnet(const std::optional<NetworkRecord>& stored, Family family,
                                         const BridgeSurroundings& around) {
    if (!stored) return std::nullopt;
    for (const NetworkSubnet& subnet : stored->subnets) {
        if (subnet.subnet.address.family != family || subnet.is_configured) continue;
        bool is_taken = !around.exists && std::ranges::any_of(around.routes, [&](const net::Prefix& route) {
            return route.length > 0 && route.overlaps(subnet.subnet);
        });
        if (!is_taken) return subnet;
    }
    return std::nullopt;
}

NetworkSubnet choose(const DaemonConfig& config, const std::optional<NetworkRecord>& stored,
                     const BridgeSurroundings& around, Family family) {
    std::optional<NetworkSubnet> subnet = flagged_subnet(config, family);
    bool is_flagged = subnet.has_value();
    if (!subnet) subnet = subnet_of_bridge(around, family);
    if (!subnet) subnet = kept_subnet(stored, family, around);
    if (!subnet)
        subnet =
            NetworkSubnet{.subnet = net::choose_subnet(family, around.pools, around.taken, around.routes)};
    subnet->is_configured = is_flagged;
    apply_range(config, *subnet);
    return *subnet;
}

}  // namespace

NetworkRecord make_plain_network(std::string_view name, std::string_view driver) {
    NetworkRecord record = make_builtin(name, driver);
    record.is_interface_ours = false;
    return record;
}

std::string default_bridge_name(const DaemonConfig& config) {
    if (!config.network.bridge.name.empty()) return config.network.bridge.name;
    if (config.exec_root == DaemonConfig{}.exec_root) return "berth0";
    return "berth" + machine_tag(config);
}

std::vector<net::PoolSetting> address_pools(const DaemonConfig& config, std::string_view machine_id) {
    std::vector<net::PoolSetting> own = net::default_pools(machine_id);
    if (config.network.address_pools.empty()) return own;
    std::vector<net::PoolSetting> pools;
    bool has_v6 = false;
    for (const AddressPoolSetting& setting : config.network.address_pools) {
        auto base = parse_flag<net::Prefix>("default-address-pool", setting.base);
        if (setting.size < static_cast<int>(base.length) ||
            setting.size > static_cast<int>(base.address.bits()))
            throw make_error(ErrorKind::invalid_argument,
                             "invalid --default-address-pool: subnets of /{} can't be had of {}",
                             setting.size, setting.base);
        has_v6 |= !base.address.is_v4();
        pools.push_back({base.network(), static_cast<unsigned>(setting.size)});
    }
    for (const net::PoolSetting& pool : own)
        if (!has_v6 && !pool.base.address.is_v4()) pools.push_back(pool);
    return pools;
}

NetworkRecord make_default_bridge(const DaemonConfig& config, const std::optional<NetworkRecord>& stored,
                                  const BridgeSurroundings& around) {
    NetworkRecord record = make_builtin(kDefaultBridgeNetwork, "bridge");
    if (stored) {
        record.id = stored->id;
        record.created_ns = stored->created_ns;
    }
    record.interface = default_bridge_name(config);
    record.is_interface_ours = around.is_ours;
    record.enable_v6 = config.network.bridge.ipv6;
    record.options = bridge_options(config, record.interface);
    for (Family family : {Family::v4, Family::v6}) {
        if (!record.enables(family)) continue;
        NetworkSubnet subnet = choose(config, stored, around, family);
        choose_gateway(record, subnet);
        record.subnets.push_back(std::move(subnet));
    }
    bool is_moved = stored && stored->interface == record.interface &&
                    !std::ranges::equal(stored->subnets, record.subnets, {}, &NetworkSubnet::subnet,
                                        &NetworkSubnet::subnet);
    if (is_moved && around.has_ports) {
        log::warning("containers run on the default bridge: it keeps its subnets until they have ended");
        record.subnets = stored->subnets;
        record.enable_v6 = stored->enable_v6;
    }
    return record;
}

}  // namespace berth::engine

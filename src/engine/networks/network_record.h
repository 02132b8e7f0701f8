// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace berth::engine {

struct NetworkSubnet {
    net::Prefix subnet;
    std::optional<net::Prefix> range;
    std::optional<net::IpAddress> gateway;  ///< none: internal or isolated networks without one
    std::map<std::string, net::IpAddress> auxiliary;
    bool is_configured = false;  ///< the user named it: containers may ask for addresses of it
};

/// Keys of `auxiliary` whose address is the containers' default gateway instead of `gateway`.
inline constexpr std::string_view kGatewayKey4 = "DefaultGatewayIPv4";
inline constexpr std::string_view kGatewayKey6 = "DefaultGatewayIPv6";

/// What is kept of a network in StateDb, as JSON. Never changes once it is made, but for the default bridge,
/// which follows the daemon's flags at each start.
struct NetworkRecord {
    int version = 1;
    std::string id;  ///< 64 hex digits
    std::string name;
    int64_t created_ns = 0;
    std::string driver;  ///< bridge, macvlan, ipvlan, host, null
    bool enable_v4 = true, enable_v6 = false;
    bool is_internal = false, is_attachable = false, is_ingress = false, is_config_only = false;
    std::string config_from;
    std::string ipam_driver = "default";
    std::map<std::string, std::string> ipam_options, options, labels;
    std::vector<NetworkSubnet> subnets;  ///< as chosen, at most some of each family
    std::string interface;               ///< the bridge, or the parent device of macvlan and ipvlan
    bool is_interface_ours = true;       ///< made by us, removed by us
    bool is_builtin = false;             ///< bridge, host, none

    /// Not kept: of --default-publish-ip, for networks whose options name no address.
    std::optional<net::IpAddress> default_binding_v4, default_binding_v6;

    bool is_bridge() const { return driver == "bridge" && !is_config_only; }
    bool enables(net::Family family) const { return family == net::Family::v4 ? enable_v4 : enable_v6; }

    /// Options of com.docker.network.bridge.* with the daemon's defaults, read when needed.
    bool inter_container() const;
    bool masquerades() const;
    bool inhibits_v4() const;  ///< the bridge gets no IPv4 address
    int mtu() const;           ///< 0: not set
    /// The host's address that ports are published on which name none. Nothing: every address; but where the
    /// other family has one, ports are published on that family alone.
    std::optional<net::IpAddress> host_binding(net::Family family) const;
    std::string interface_prefix() const;  ///< "eth"
    std::vector<std::string> trusted_interfaces() const;
    std::string gateway_mode(net::Family family) const;  ///< nat, nat-unprotected, routed, isolated
    /// User-defined networks have names, aliases and the DNS server; the default bridge has links alone.
    bool has_names() const { return !is_builtin; }
};

std::string encode_network_record(const NetworkRecord& record);
NetworkRecord decode_network_record(std::string_view text);

}  // namespace berth::engine

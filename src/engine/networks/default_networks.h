// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/networks/network_record.h"
#include "net/address_pools.h"

/// The networks that every daemon has: bridge, host, none. Ids and dates are those of the first start; what
/// else is kept of the default bridge follows the daemon's flags.
namespace berth::engine {

inline constexpr std::string_view kDefaultBridgeNetwork = "bridge";

/// host ("host") and none ("null").
NetworkRecord make_plain_network(std::string_view name, std::string_view driver);

/// What the daemon calls its default bridge: --bridge, else berth0; one with an exec root of its own has a
/// name of its own, so that daemons beside each other don't meet.
std::string default_bridge_name(const DaemonConfig& config);

/// --default-address-pool, or Docker's. Throws invalid_argument where one makes no sense. IPv6 networks get
/// subnets of the machine's own where the setting has none.
std::vector<net::PoolSetting> address_pools(const DaemonConfig& config, std::string_view machine_id);

/// What is on the host when the default bridge is made.
struct BridgeSurroundings {
    bool exists = false;
    bool is_ours = false;    ///< made by this daemon (also where it isn't there yet)
    bool has_ports = false;  ///< containers use it
    std::vector<net::Prefix> addresses;
    std::vector<net::Prefix> routes;  ///< the host's
    std::vector<net::Prefix> taken;   ///< by other networks
    std::vector<net::PoolSetting> pools;
};

/// The record that the flags ask for, with id, date and (where flags say nothing) subnets of `stored`.
/// Subnets are chosen anew where the bridge is not there and the host's routes have taken them meanwhile.
/// While containers use the bridge, its subnets stay as they are. Throws invalid_argument for flags that
/// can't be.
NetworkRecord make_default_bridge(const DaemonConfig& config, const std::optional<NetworkRecord>& stored,
                                  const BridgeSurroundings& around);

}  // namespace berth::engine

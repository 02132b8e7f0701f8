// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/networks/network_record.h"
#include "net/firewall.h"
#include "net/link.h"

/// The host's devices that networks stand on, and what the firewall is told of them.
namespace berth::engine {

/// The alias by which a daemon knows its devices: "berth-" + tag.
std::string device_alias(const std::string& tag);

/// `virtual_addresses`: of services, which are the bridge's own.
net::BridgeSpec bridge_spec(const NetworkRecord& network, const std::string& alias,
                            const std::vector<net::IpAddress>& virtual_addresses);
net::BridgeRules bridge_rules(const NetworkRecord& network, const DaemonConfig& config);

/// Whose a device is that a network wants to stand on.
enum class DeviceOwner { nobody, us, another_daemon, user };
DeviceOwner owner_of_device(const std::vector<net::LinkInfo>& links, const std::string& name,
                            const std::string& alias);

/// Makes what the network stands on: its bridge, or the VLAN or dummy device that macvlan and ipvlan sit on.
/// `routes_loopback` as net::BridgeSpec has it. Blocking. Throws conflict where it is another daemon's.
void make_device(const NetworkRecord& network, const std::string& alias,
                 const std::vector<net::IpAddress>& virtual_addresses, std::optional<bool> routes_loopback);

/// Devices of ours that are none of `wanted`: left of a kill. Not containers' ends.
std::vector<std::string> stray_devices(const std::vector<net::LinkInfo>& links, const std::string& alias,
                                       const std::vector<std::string>& wanted);

}  // namespace berth::engine

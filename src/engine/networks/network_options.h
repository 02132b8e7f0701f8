// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

/// Names of the options that network drivers take, as Docker's.
namespace berth::engine::network_options {

inline constexpr std::string_view kBridgeName = "com.docker.network.bridge.name";
inline constexpr std::string_view kDefaultBridge = "com.docker.network.bridge.default_bridge";
inline constexpr std::string_view kMasquerade = "com.docker.network.bridge.enable_ip_masquerade";
inline constexpr std::string_view kInterContainer = "com.docker.network.bridge.enable_icc";
inline constexpr std::string_view kHostBinding4 = "com.docker.network.bridge.host_binding_ipv4";
inline constexpr std::string_view kHostBinding6 = "com.docker.network.bridge.host_binding_ipv6";
inline constexpr std::string_view kInhibit4 = "com.docker.network.bridge.inhibit_ipv4";
inline constexpr std::string_view kGatewayMode4 = "com.docker.network.bridge.gateway_mode_ipv4";
inline constexpr std::string_view kGatewayMode6 = "com.docker.network.bridge.gateway_mode_ipv6";
inline constexpr std::string_view kTrustedInterfaces = "com.docker.network.bridge.trusted_host_interfaces";
inline constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
inline constexpr std::string_view kInterfacePrefix = "com.docker.network.container_iface_prefix";
inline constexpr std::string_view kEnable4 = "com.docker.network.enable_ipv4";
inline constexpr std::string_view kEnable6 = "com.docker.network.enable_ipv6";
inline constexpr std::string_view kHost4 = "com.docker.network.host_ipv4";
inline constexpr std::string_view kHost6 = "com.docker.network.host_ipv6";
inline constexpr std::string_view kParent = "parent";
inline constexpr std::string_view kMacvlanMode = "macvlan_mode";
inline constexpr std::string_view kIpvlanMode = "ipvlan_mode";
inline constexpr std::string_view kIpvlanFlag = "ipvlan_flag";

/// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text);

}  // namespace berth::engine::network_options

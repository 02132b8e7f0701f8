// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_config.h"
#include "spec/api/types.h"

/// Networks in the Engine API.
namespace berth::spec::api {

struct IpamPool {
    std::string Subnet;
    std::string IPRange;
    std::string Gateway;
    StringMap AuxiliaryAddresses;
};
BOOST_DESCRIBE_STRUCT(IpamPool, (), (Subnet, IPRange, Gateway, AuxiliaryAddresses))
constexpr bool json_omit_empty(const IpamPool*, std::string_view) {
    return true;
}

struct Ipam {
    std::string Driver = "default";
    OptionalStringMap Options;
    std::optional<std::vector<IpamPool>> Config;
};
BOOST_DESCRIBE_STRUCT(Ipam, (), (Driver, Options, Config))

struct ConfigReference {
    std::string Network;
};
BOOST_DESCRIBE_STRUCT(ConfigReference, (), (Network))

/// An endpoint as its network shows it.
struct NetworkContainer {
    std::string Name;
    std::string EndpointID;
    std::string MacAddress;
    std::string IPv4Address;
    std::string IPv6Address;
};
BOOST_DESCRIBE_STRUCT(NetworkContainer, (), (Name, EndpointID, MacAddress, IPv4Address, IPv6Address))

struct Network {
    std::string Name;
    std::string Id;
    std::string Created;
    std::string Scope = "local";
    std::string Driver;
    bool EnableIPv4 = true;  ///< since 1.48
    bool EnableIPv6 = false;
    Ipam IPAM;
    bool Internal = false;
    bool Attachable = false;
    bool Ingress = false;
    ConfigReference ConfigFrom;
    bool ConfigOnly = false;
    std::map<std::string, NetworkContainer> Containers;  ///< by container's id; empty in lists
    OptionalStringMap Options;
    OptionalStringMap Labels;
};
BOOST_DESCRIBE_STRUCT(Network, (),
                      (Name, Id, Created, Scope, Driver, EnableIPv4, EnableIPv6, IPAM, Internal, Attachable,
                       Ingress, ConfigFrom, ConfigOnly, Containers, Options, Labels))

/// POST /networks/create
struct NetworkCreateRequest {
    std::string Name;
    bool CheckDuplicate = false;  ///< of no effect: names are unique
    std::string Driver;           ///< "": bridge
    std::string Scope;
    std::optional<bool> EnableIPv4;  ///< since 1.48
    std::optional<bool> EnableIPv6;
    std::optional<Ipam> IPAM;
    bool Internal = false;
    bool Attachable = false;
    bool Ingress = false;
    bool ConfigOnly = false;
    std::optional<ConfigReference> ConfigFrom;
    OptionalStringMap Options;
    OptionalStringMap Labels;
};
BOOST_DESCRIBE_STRUCT(NetworkCreateRequest, (),
                      (Name, CheckDuplicate, Driver, Scope, EnableIPv4, EnableIPv6, IPAM, Internal,
                       Attachable, Ingress, ConfigOnly, ConfigFrom, Options, Labels))

struct NetworkCreateResponse {
    std::string Id;
    std::string Warning;
};
BOOST_DESCRIBE_STRUCT(NetworkCreateResponse, (), (Id, Warning))

/// POST /networks/{id}/connect
struct NetworkConnectRequest {
    std::string Container;
    std::optional<EndpointSettings> EndpointConfig;
};
BOOST_DESCRIBE_STRUCT(NetworkConnectRequest, (), (Container, EndpointConfig))

/// POST /networks/{id}/disconnect
struct NetworkDisconnectRequest {
    std::string Container;
    bool Force = false;
};
BOOST_DESCRIBE_STRUCT(NetworkDisconnectRequest, (), (Container, Force))

struct NetworksPruneReport {
    OptionalStrings NetworksDeleted;
};
BOOST_DESCRIBE_STRUCT(NetworksPruneReport, (), (NetworksDeleted))

NetworkCreateRequest decode_network_create_request(const json::Value& from);
NetworkConnectRequest decode_network_connect_request(const json::Value& from);
NetworkDisconnectRequest decode_network_disconnect_request(const json::Value& from);
json::Value encode_network(const Network& network);
json::Value encode_network_create_response(const NetworkCreateResponse& response);
json::Value encode_networks_prune_report(const NetworksPruneReport& report);

}  // namespace berth::spec::api

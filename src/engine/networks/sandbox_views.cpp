// SPDX-License-Identifier: Apache-2.0
// What the API shows of a container's networks.
#include "base/strings.h"
#include "engine/networks/sandbox.h"
#include "engine/oci/modes.h"

namespace berth::engine {
namespace {

using spec::api::EndpointSettings;

/// "172.17.0.2/16": both parts.
void show_prefix(const std::string& text, std::string& address, int& length) {
    std::optional<net::Prefix> prefix = net::Prefix::parse(text);
    if (!prefix) return;
    address = prefix->address.text();
    length = static_cast<int>(prefix->length);
}

void show_endpoint(const Endpoint& endpoint, EndpointSettings& shown) {
    shown.NetworkID = endpoint.network_id;
    shown.EndpointID = endpoint.id;
    shown.Gateway = endpoint.gateway4;
    shown.IPv6Gateway = endpoint.gateway6;
    show_prefix(endpoint.v4, shown.IPAddress, shown.IPPrefixLen);
    show_prefix(endpoint.v6, shown.GlobalIPv6Address, shown.GlobalIPv6PrefixLen);
    shown.MacAddress = endpoint.mac;
    if (!endpoint.names.empty()) shown.DNSNames = endpoint.names;
}

void show_legacy(const EndpointSettings& bridge, spec::api::NetworkSettings& shown) {
    shown.EndpointID = bridge.EndpointID;
    shown.Gateway = bridge.Gateway;
    shown.IPAddress = bridge.IPAddress;
    shown.IPPrefixLen = bridge.IPPrefixLen;
    shown.IPv6Gateway = bridge.IPv6Gateway;
    shown.GlobalIPv6Address = bridge.GlobalIPv6Address;
    shown.GlobalIPv6PrefixLen = bridge.GlobalIPv6PrefixLen;
    shown.MacAddress = bridge.MacAddress;
}

void show_ports(const ContainerRecord& container, const SandboxRecord& record, spec::api::PortMap& shown) {
    for (const auto& [protocol, port] : exposed_ports(container))
        shown[fmt::format("{}/{}", port, net::to_string(protocol))];
    for (const PublishedPort& port : record.ports) {
        auto& bindings = shown[fmt::format("{}/{}", port.container_port, port.protocol)];
        if (!bindings) bindings.emplace();
        bindings->push_back({.HostIp = port.host_address, .HostPort = std::to_string(port.host_port)});
    }
}

std::string plain_network(const ContainerRecord& container) {
    const std::string& mode = container.host_config.NetworkMode;
    return mode == "host" || mode == "none" ? mode : std::string();
}

}  // namespace

spec::api::NetworkSettings Sandboxes::settings(const ContainerRecord& container, const Sandbox* sandbox,
                                               pid_t pid) const {
    spec::api::NetworkSettings shown;
    shown.Ports.emplace();
    if (is_container_mode(container.host_config.NetworkMode)) return shown;
    for (const auto& [name, settings] : container.networking.EndpointsConfig) {
        EndpointSettings& network = shown.Networks[name];
        network = settings.value_or(EndpointSettings{});
        auto record = state_->services.networks.find(name);
        if (record && (record->name == name || record->id == name)) network.NetworkID = record->id;
    }
    if (auto plain = state_->plain.find(container.id); plain != state_->plain.end())
        shown.Networks[plain_network(container)].EndpointID = plain->second;
    if (sandbox == nullptr) return shown;
    shown.SandboxID = sandbox->record().id;
    if (pid > 0) shown.SandboxKey = fmt::format("/proc/{}/ns/net", pid);
    for (const Endpoint& endpoint : sandbox->record().endpoints) {
        EndpointSettings& network = shown.Networks[endpoint.network_name];
        show_endpoint(endpoint, network);
        if (endpoint.network_name == "bridge") show_legacy(network, shown);
    }
    show_ports(container, sandbox->record(), *shown.Ports);
    return shown;
}

void Sandboxes::joined_plain(const ContainerRecord& container, bool is_news) {
    std::string name = plain_network(container);
    std::shared_ptr<const NetworkRecord> network =
        name.empty() ? nullptr : state_->services.networks.find(name);
    if (!network || !container.networking.EndpointsConfig.contains(name)) return;
    auto [known, is_new] = state_->plain.try_emplace(container.id);
    std::string& id = known->second;
    if (is_new) id = random_hex(32);
    NetworkMember member{.container_id = container.id, .container_name = container.name, .endpoint_id = id};
    state_->services.networks.joined(*network, std::move(member), is_news);
}

void Sandboxes::left_plain(const ContainerRecord& container) {
    if (state_->plain.erase(container.id) == 0) return;
    if (auto network = state_->services.networks.find(plain_network(container)))
        state_->services.networks.left(*network, container.id);
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
// What a container's endpoints are: networks, addresses, names, default routes. Nothing of the kernel's.
#include <linux/if.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/containers/container.h"
#include "engine/networks/sandbox.h"
#include "engine/oci/modes.h"

namespace berth::engine {
namespace {

using spec::api::items;

constexpr const char* kNameOption = "com.docker.network.endpoint.ifname";

std::string text_of(const std::optional<net::Prefix>& prefix) {
    return prefix ? prefix->text() : std::string();
}
std::string text_of(const std::optional<net::IpAddress>& address) {
    return address ? address->text() : std::string();
}

std::optional<net::IpAddress> asked_address(const std::string& text, std::string_view family) {
    if (text.empty()) return std::nullopt;
    std::optional<net::IpAddress> address = net::IpAddress::parse(text);
    if (!address) throw make_error(ErrorKind::invalid_argument, "invalid {} address: {}", family, text);
    return address;
}

/// The first of eth0, eth1, … that no endpoint has.
std::string new_interface(const LiveSandbox& sandbox, const std::string& prefix) {
    for (size_t number = 0;; ++number) {
        std::string name = fmt::format("{}{}", prefix, number);
        bool is_taken = std::ranges::any_of(
            sandbox.record().endpoints, [&](const Endpoint& endpoint) { return endpoint.interface == name; });
        if (!is_taken) return name;
    }
}

/// What the kernel takes, and no pattern of names ("eth%d").
void check_interface(const LiveSandbox& sandbox, const std::string& name) {
    auto is_bad = [](char letter) {
        return letter <= ' ' || letter == '/' || letter == ':' || letter == '%' || letter == 0x7f;
    };
    if (name.size() >= IFNAMSIZ || name == "." || name == ".." || name == "lo" ||
        std::ranges::any_of(name, is_bad))
        throw make_error(ErrorKind::invalid_argument, "invalid interface name: {}", quote(name));
    for (const Endpoint& endpoint : sandbox.record().endpoints)
        if (endpoint.interface == name)
            throw make_error(ErrorKind::invalid_argument,
                             "interface name {} is that of the container's endpoint in network {}", name,
                             endpoint.network_name);
}

std::string interface_of(const LiveSandbox& sandbox, const WantedEndpoint& wanted) {
    const auto& options = items(wanted.settings.DriverOpts);
    if (auto named = options.find(kNameOption); named != options.end() && !named->second.empty()) {
        check_interface(sandbox, named->second);
        return named->second;
    }
    return new_interface(sandbox, wanted.network->interface_prefix());
}

net::MacAddress choose_mac(const ContainerRecord& container, const WantedEndpoint& wanted,
                           const AddressLease& lease) {
    std::string text = wanted.settings.MacAddress;
    const std::string& mode = container.host_config.NetworkMode;
    bool is_main = mode == wanted.network->name || mode == wanted.network->id ||
                   (wanted.network->is_builtin && is_default_network(container.host_config.NetworkMode));
    if (text.empty() && is_main) text = container.config.MacAddress;
    if (!text.empty()) {
        std::optional<net::MacAddress> mac = net::MacAddress::parse(text);
        if (!mac) throw make_error(ErrorKind::invalid_argument, "invalid MAC address: {}", text);
        return *mac;
    }
    // By the address, so that neighbours need not learn another one when the container is started anew.
    return lease.v4 ? net::MacAddress::of(lease.v4->address) : net::MacAddress::random();
}

/// "db", "db:alias", "/db:/web/alias"
std::pair<std::string, std::string> parse_link(std::string_view link) {
    size_t colon = link.find(':');
    std::string_view name = link.substr(0, colon);
    if (name.starts_with('/')) name.remove_prefix(1);
    std::string_view alias = colon == link.npos ? name : link.substr(colon + 1);
    if (size_t slash = alias.rfind('/'); slash != alias.npos) alias.remove_prefix(slash + 1);
    return {std::string(name), std::string(alias)};
}

void take_links(const Sandboxes::State& state, LiveSandbox& sandbox, const ContainerRecord& container) {
    auto add = [&](const std::string& network, const spec::api::Strings& links) {
        for (const std::string& link : links) {
            auto [name, alias] = parse_link(link);
            if (std::shared_ptr<Container> other = state.services.find_container(name))
                sandbox.links.push_back({.network_id = network, .container_id = other->id(), .alias = alias});
        }
    };
    for (const LiveSandbox::Place& place : sandbox.places) {
        if (place.network->has_names())
            add(place.network->id, items(place.settings.Links));
        else
            add(place.network->id, items(container.host_config.Links));
    }
}

/// Beginnings of ids, which users may give, mean nothing here: another network may have them later.
std::shared_ptr<const NetworkRecord> find_exactly(const Networks& networks, const std::string& name) {
    std::shared_ptr<const NetworkRecord> found = networks.find(name);
    return found && (found->name == name || found->id == name) ? found : nullptr;
}

/// From the mode to the network's name.
std::string network_of_mode(const std::string& mode, const Networks& networks) {
    if (is_default_network(mode)) return "bridge";
    auto network = networks.find(mode);
    return network ? network->name : mode;
}

bool is_health_checked(const spec::api::ContainerConfig& config) {
    return config.Healthcheck && !config.Healthcheck->Test.empty() && config.Healthcheck->Test[0] != "NONE";
}

}  // namespace

std::string LiveSandbox::namespace_path() const {
    return is_namespace_ours ? net::namespace_path(namespace_fd.get()) : std::string();
}

std::vector<WantedEndpoint> wanted_endpoints(const ContainerRecord& container, const Networks& networks) {
    std::vector<WantedEndpoint> wanted;
    const std::string& mode = container.host_config.NetworkMode;
    if (mode == "host" || is_container_mode(mode) || container.config.NetworkDisabled) return wanted;
    auto add = [&](const std::string& name, const std::optional<spec::api::EndpointSettings>& settings) {
        if (name == "none" || name == "host") return;
        // A daemon without a default network: such containers have none.
        if (name == "bridge" && !networks.default_bridge()) return;
        auto network = find_exactly(networks, name);
        if (!network) throw make_error(ErrorKind::not_found, "network {} not found", name);
        wanted.push_back({network, settings.value_or(spec::api::EndpointSettings{})});
    };
    const auto& configured = container.networking.EndpointsConfig;
    auto first = configured.find(network_of_mode(mode, networks));
    if (first != configured.end()) add(first->first, first->second);
    for (auto it = configured.begin(); it != configured.end(); ++it)
        if (it != first) add(it->first, it->second);
    return wanted;
}

std::vector<std::pair<net::Protocol, uint16_t>> parse_ports(std::string_view text) {
    size_t slash = text.find('/');
    std::string_view numbers = text.substr(0, slash);
    auto protocol = net::parse_protocol(slash == text.npos ? "tcp" : text.substr(slash + 1));
    size_t dash = numbers.find('-');
    auto first = parse_number<uint16_t>(numbers.substr(0, dash));
    auto last = dash == numbers.npos ? first : parse_number<uint16_t>(numbers.substr(dash + 1));
    std::vector<std::pair<net::Protocol, uint16_t>> ports;
    if (!protocol || !first || !last) return ports;
    for (uint32_t port = *first; port <= *last; ++port)
        ports.emplace_back(*protocol, static_cast<uint16_t>(port));
    return ports;
}

std::vector<std::pair<net::Protocol, uint16_t>> exposed_ports(const ContainerRecord& container) {
    std::vector<std::pair<net::Protocol, uint16_t>> ports;
    auto add = [&](std::string_view text) {
        for (const auto& port : parse_ports(text)) ports.push_back(port);
    };
    for (const auto& [text, nothing] : container.config.ExposedPorts) add(text);
    for (const auto& [text, bindings] : items(container.host_config.PortBindings)) add(text);
    std::ranges::sort(ports, {}, [](const auto& port) { return std::pair(port.second, port.first); });
    ports.erase(std::ranges::unique(ports).begin(), ports.end());
    return ports;
}

std::vector<std::string> endpoint_names(const ContainerRecord& container, const NetworkRecord& network,
                                        const spec::api::EndpointSettings& settings) {
    std::vector<std::string> names;
    if (!network.has_names()) return names;
    auto add = [&](const std::string& name) {
        if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
    };
    add(container.name);
    for (const std::string& alias : items(settings.Aliases)) add(alias);
    add(container.id.substr(0, 12));
    add(container.config.Hostname);
    return names;
}

void add_place(Sandboxes::State& state, LiveSandbox& sandbox, const ContainerRecord& container,
               const WantedEndpoint& wanted) {
    const NetworkRecord& network = *wanted.network;
    std::optional<net::IpAddress> v4, v6;
    if (const auto& ipam = wanted.settings.IPAMConfig) {
        v4 = asked_address(ipam->IPv4Address, "IPv4");
        v6 = asked_address(ipam->IPv6Address, "IPv6");
    }
    AddressLease lease = state.services.networks.take_addresses(network, v4, v6);
    try {
        Endpoint endpoint;
        endpoint.network_id = network.id;
        endpoint.network_name = network.name;
        endpoint.driver = network.driver;
        endpoint.id = random_hex(32);
        endpoint.interface = interface_of(sandbox, wanted);
        endpoint.mac = choose_mac(container, wanted, lease).text();
        endpoint.v4 = text_of(lease.v4);
        endpoint.v6 = text_of(lease.v6);
        if (!network.is_internal) {
            endpoint.gateway4 = text_of(lease.gateway4);
            endpoint.gateway6 = text_of(lease.gateway6);
        }
        endpoint.names = endpoint_names(container, network, wanted.settings);
        endpoint.gateway_priority = wanted.settings.GwPriority;
        sandbox.places.push_back({wanted.network, lease, lease, wanted.settings});
        sandbox.record_to_change().endpoints.push_back(std::move(endpoint));
    } catch (...) {
        state.services.networks.release(network, lease);
        throw;
    }
}

void drop_place(Sandboxes::State& state, LiveSandbox& sandbox, size_t index) {
    LiveSandbox::Place place = std::move(sandbox.places[index]);
    sandbox.places.erase(sandbox.places.begin() + static_cast<ptrdiff_t>(index));
    auto& endpoints = sandbox.record_to_change().endpoints;
    endpoints.erase(endpoints.begin() + static_cast<ptrdiff_t>(index));
    state.services.networks.release(*place.network, place.own);
}

void take_settings(Sandboxes::State& state, LiveSandbox& sandbox, const ContainerRecord& container) {
    sandbox.container_name = container.name;
    const auto& own = items(container.host_config.Dns);
    sandbox.dns_servers = own.empty() ? state.services.config.network.dns : own;
    sandbox.links.clear();
    take_links(state, sandbox, container);
    sandbox.exposed = exposed_ports(container);
    sandbox.published.clear();
    const auto& bindings = items(container.host_config.PortBindings);
    for (const auto& port : sandbox.exposed) {
        auto bound = bindings.find(fmt::format("{}/{}", port.second, net::to_string(port.first)));
        if (container.host_config.PublishAllPorts ||
            (bound != bindings.end() && !items(bound->second).empty()))
            sandbox.published.push_back(port);
    }
    sandbox.service = service_settings(container.service_labels);
    sandbox.has_health_check = is_health_checked(container.config);
    sandbox.record_to_change().service = sandbox.service ? sandbox.service->key : "";
}

Gateways choose_gateways(const LiveSandbox& sandbox) {
    const std::vector<Endpoint>& endpoints = sandbox.record().endpoints;
    std::vector<size_t> order(endpoints.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    // As Docker: by priority, then those with both families, then by the network's name.
    std::ranges::sort(order, {}, [&](size_t index) {
        const Endpoint& endpoint = endpoints[index];
        bool is_dual = !endpoint.gateway4.empty() && !endpoint.gateway6.empty();
        return std::tuple(-static_cast<int64_t>(endpoint.gateway_priority), !is_dual,
                          std::string_view(endpoint.network_name));
    });
    Gateways gateways;
    for (size_t index : order) {
        if (!gateways.v4 && !endpoints[index].gateway4.empty()) gateways.v4 = index;
        if (!gateways.v6 && !endpoints[index].gateway6.empty()) gateways.v6 = index;
    }
    return gateways;
}

std::optional<net::IpAddress> address_of(const LiveSandbox& sandbox, std::optional<size_t> place,
                                         net::Family family) {
    if (!place) return std::nullopt;
    const AddressLease& lease = sandbox.places[*place].lease;
    const std::optional<net::Prefix>& prefix = family == net::Family::v4 ? lease.v4 : lease.v6;
    return prefix ? std::optional(prefix->address) : std::nullopt;
}

const Endpoint* Sandboxes::endpoint_of(const std::string& container_id, const std::string& network_id) const {
    auto found = state_->live.find(container_id);
    if (found == state_->live.end()) return nullptr;
    for (const Endpoint& endpoint : found->second->record().endpoints)
        if (endpoint.network_id == network_id) return &endpoint;
    return nullptr;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
// Published ports: which host ports a container gets, and where they lead.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/sandbox.h"

namespace berth::engine {
namespace {

using spec::api::items;

/// Tries where a port of a range turns out to be another program's.
constexpr int kAttempts = 32;

struct WantedPort {
    net::Protocol protocol = net::Protocol::tcp;
    uint16_t container_port = 0;
    std::vector<net::IpAddress> addresses;
    std::pair<uint16_t, uint16_t> range;
    std::set<uint16_t> skip;  ///< what another program has
    uint16_t taken = 0;

    bool is_flexible() const { return range.first == 0 || range.first != range.second; }
};

/// The container's addresses that published ports lead to.
struct Targets {
    std::optional<net::IpAddress> v4, v6;
    const NetworkRecord* network4 = nullptr;
    const NetworkRecord* network6 = nullptr;
    bool any() const { return v4 || v6; }
    const std::optional<net::IpAddress>& of(net::Family family) const {
        return family == net::Family::v4 ? v4 : v6;
    }
};

/// By the endpoint with the default route; without one, or where the network is routed, there are none.
Targets targets_of(const LiveSandbox& sandbox) {
    Targets targets;
    Gateways gateways = choose_gateways(sandbox);
    auto target = [&](std::optional<size_t> index, net::Family family, const NetworkRecord*& network) {
        if (!index || sandbox.record().endpoints[*index].driver != "bridge")
            return std::optional<net::IpAddress>();
        const NetworkRecord& at = *sandbox.places[*index].network;
        std::string mode = at.gateway_mode(family);
        if (mode == "routed" || mode == "isolated") return std::optional<net::IpAddress>();
        network = &at;
        return address_of(sandbox, index, family);
    };
    targets.v4 = target(gateways.v4, net::Family::v4, targets.network4);
    targets.v6 = target(gateways.v6, net::Family::v6, targets.network6);
    return targets;
}

/// Where a port is published that names no address: on all of both families, as Docker, unless the network or
/// the daemon has another default.
std::vector<net::IpAddress> default_addresses(const Sandboxes::State& state, const Targets& targets) {
    const NetworkRecord& network = targets.network4 ? *targets.network4 : *targets.network6;
    std::vector<net::IpAddress> addresses;
    for (net::Family family : {net::Family::v4, net::Family::v6})
        if (auto bound = network.host_binding(family)) addresses.push_back(*bound);
    if (!addresses.empty()) return addresses;
    bool splices = state.services.config.network.userland_proxy;
    if (targets.v4 || splices) addresses.push_back(net::IpAddress::any(net::Family::v4));
    if (state.has_ipv6 && (targets.v6 || splices)) addresses.push_back(net::IpAddress::any(net::Family::v6));
    return addresses;
}

std::pair<uint16_t, uint16_t> parse_range(const std::string& text) {
    std::string_view range = std::string_view(text).substr(0, text.find('/'));
    if (range.empty()) return {0, 0};
    size_t dash = range.find('-');
    auto first = parse_number<uint16_t>(range.substr(0, dash));
    auto last = dash == range.npos ? first : parse_number<uint16_t>(range.substr(dash + 1));
    if (!first || !last || *last < *first)
        throw make_error(ErrorKind::invalid_argument, "invalid port specification: {}", quote(text));
    return {*first, *last};
}

std::vector<WantedPort> wanted_ports(const Sandboxes::State& state, const LiveSandbox& sandbox,
                                     const ContainerRecord& container) {
    std::vector<WantedPort> wanted;
    Targets targets = targets_of(sandbox);
    if (!targets.any()) return wanted;
    const auto& published = items(container.host_config.PortBindings);
    auto bind = [&](const std::pair<net::Protocol, uint16_t>& port, const spec::api::PortBinding& binding) {
        WantedPort one{.protocol = port.first, .container_port = port.second};
        one.range = parse_range(binding.HostPort);
        std::optional<net::IpAddress> address;
        if (!binding.HostIp.empty()) {
            address = net::IpAddress::parse(binding.HostIp);
            if (!address)
                throw make_error(ErrorKind::invalid_argument, "invalid IP address: {}", binding.HostIp);
        }
        one.addresses = address ? std::vector{*address} : default_addresses(state, targets);
        wanted.push_back(std::move(one));
    };
    for (const auto& port : sandbox.exposed) {
        std::string key = fmt::format("{}/{}", port.second, net::to_string(port.first));
        auto found = published.find(key);
        if (found == published.end() && port.first == net::Protocol::tcp)
            found = published.find(std::to_string(port.second));
        bool is_bound = found != published.end() && !items(found->second).empty();
        if (is_bound)
            for (const spec::api::PortBinding& binding : items(found->second)) bind(port, binding);
        else if (container.host_config.PublishAllPorts)
            bind(port, {});
    }
    return wanted;
}

net::PortTable::Owner owner_of(const LiveSandbox& sandbox) {
    return {.container_id = sandbox.record().container_id,
            .container_name = sandbox.container_name,
            .service = sandbox.record().service};
}

net::IpAddress host_address(const PublishedPort& port) {
    return net::IpAddress::parse(port.host_address).value_or(net::IpAddress::any(net::Family::v4));
}
net::Protocol protocol_of(const PublishedPort& port) {
    return net::parse_protocol(port.protocol).value_or(net::Protocol::tcp);
}

void give_back(Sandboxes::State& state, const LiveSandbox& sandbox, const std::vector<PublishedPort>& ports) {
    for (const PublishedPort& port : ports)
        state.port_table.release(protocol_of(port), host_address(port), port.host_port,
                                 sandbox.record().container_id);
}

/// In memory.
std::vector<PublishedPort> take_ports(Sandboxes::State& state, const LiveSandbox& sandbox,
                                      std::vector<WantedPort>& wanted) {
    std::vector<PublishedPort> taken;
    try {
        for (WantedPort& one : wanted) {
            one.taken =
                state.port_table.take(one.protocol, one.addresses, one.range, owner_of(sandbox), one.skip);
            for (const net::IpAddress& address : one.addresses)
                taken.push_back({.protocol = std::string(net::to_string(one.protocol)),
                                 .container_port = one.container_port,
                                 .host_address = address.text(),
                                 .host_port = one.taken});
        }
    } catch (...) {
        give_back(state, sandbox, taken);
        throw;
    }
    return taken;
}

/// Host ports with an unspecified or loopback IPv4 address: the kernel leads those to the container, or to
/// whichever of its service's is next.
using KernelPaths = std::set<std::pair<std::string, uint16_t>>;

KernelPaths kernel_paths(const std::vector<PublishedPort>& ports) {
    KernelPaths paths;
    for (const PublishedPort& port : ports)
        if (port.host_address == "0.0.0.0" || port.host_address == "127.0.0.1")
            paths.emplace(port.protocol, port.host_port);
    return paths;
}

/// Where the process that holds the port passes connections on; nothing where the kernel does.
std::optional<std::pair<net::IpAddress, uint16_t>> splice_target(const KernelPaths& paths,
                                                                 const PublishedPort& port,
                                                                 const Targets& targets) {
    net::IpAddress host = host_address(port);
    if (host.is_v4())
        return targets.v4 || !targets.v6 ? std::nullopt
                                         : std::optional(std::pair(*targets.v6, port.container_port));
    bool is_wide = host.is_unspecified() || host.is_loopback();
    if (is_wide && targets.v4 && paths.contains({port.protocol, port.host_port}))
        return std::pair(net::IpAddress::loopback(net::Family::v4), port.host_port);
    // The kernel can't lead [::1] elsewhere.
    if (targets.v6 && is_wide) return std::pair(*targets.v6, port.container_port);
    if (targets.v6 || !targets.v4) return std::nullopt;
    return std::pair(*targets.v4, port.container_port);
}

}  // namespace

std::vector<net::PortRule> port_rules(const LiveSandbox& sandbox) {
    std::vector<net::PortRule> rules;
    Targets targets = targets_of(sandbox);
    for (const PublishedPort& port : sandbox.record().ports) {
        net::IpAddress host = host_address(port);
        if (const auto& to = targets.of(host.family))
            rules.push_back({.protocol = protocol_of(port),
                             .host_address = host,
                             .host_port = port.host_port,
                             .to = *to,
                             .to_port = port.container_port});
    }
    return rules;
}

std::vector<net::PortRule> open_ports(const LiveSandbox& sandbox) {
    std::vector<net::PortRule> rules;
    Gateways gateways = choose_gateways(sandbox);
    auto open = [&](std::optional<size_t> index, net::Family family) {
        if (!index || sandbox.places[*index].network->gateway_mode(family) != "routed") return;
        std::optional<net::IpAddress> to = address_of(sandbox, index, family);
        if (!to || !sandbox.places[*index].network->is_bridge()) return;
        for (const auto& [protocol, port] : sandbox.published)
            rules.push_back({.protocol = protocol,
                             .host_address = net::IpAddress::any(family),
                             .host_port = 0,
                             .to = *to,
                             .to_port = port});
    };
    open(gateways.v4, net::Family::v4);
    open(gateways.v6, net::Family::v6);
    return rules;
}

std::vector<net::LegRule> leg_rules(const LiveSandbox& sandbox) {
    std::vector<net::LegRule> rules;
    if (sandbox.record().ports.empty()) return rules;
    Targets targets = targets_of(sandbox);
    for (const LiveSandbox::Place& place : sandbox.places) {
        if (!place.network->is_bridge()) continue;
        if (targets.v4 && place.network.get() != targets.network4)
            rules.push_back({place.network->interface, *targets.v4});
        if (targets.v6 && place.network.get() != targets.network6)
            rules.push_back({place.network->interface, *targets.v6});
    }
    return rules;
}

std::vector<net::FlowFilter> datagram_flows(const LiveSandbox& sandbox) {
    std::vector<net::FlowFilter> filters;
    for (const PublishedPort& port : sandbox.record().ports)
        if (port.protocol == "udp")
            filters.push_back({.protocol = net::Protocol::udp, .original_port = port.host_port});
    return filters;
}

std::vector<net::HeldPort> held_ports(const LiveSandbox& sandbox) {
    std::vector<net::HeldPort> held;
    Targets targets = targets_of(sandbox);
    const std::vector<PublishedPort>& ports = sandbox.record().ports;
    KernelPaths paths = kernel_paths(ports);
    for (const PublishedPort& port : ports) {
        held.push_back({.protocol = protocol_of(port),
                        .address = host_address(port),
                        .port = port.host_port,
                        .target = splice_target(paths, port, targets)});
        // Nothing can splice SCTP: the kernel's rules alone carry it.
        if (port.protocol == "sctp") held.back().target.reset();
    }
    return held;
}

async::Task<void> publish_ports(SandboxesPointer state, LivePointer sandbox,
                                const ContainerRecord& container) {
    std::vector<WantedPort> wanted = wanted_ports(*state, *sandbox, container);
    if (wanted.empty()) co_return;
    bool has_choice = std::ranges::any_of(wanted, &WantedPort::is_flexible);
    std::vector<PublishedPort>& ports = sandbox->record_to_change().ports;
    std::exception_ptr failure;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        ports = take_ports(*state, *sandbox, wanted);
        bool is_taken = false;
        failure = nullptr;
        try {
            std::vector<net::HeldPort> held = held_ports(*sandbox);
            co_await state->services.ports.hold(std::move(held));
        } catch (Error& error) {
            is_taken = error.kind() == ErrorKind::conflict;
            error.add_context(
                fmt::format("driver failed programming external connectivity on endpoint {} ({})",
                            sandbox->container_name, sandbox->record().endpoints.front().id));
            failure = std::current_exception();
        }
        if (!failure) break;
        give_back(*state, *sandbox, std::exchange(ports, {}));
        if (!is_taken || !has_choice) break;
        for (WantedPort& one : wanted)
            if (one.is_flexible()) one.skip.insert(one.taken);
    }
    if (failure) std::rethrow_exception(failure);
}

void retake_ports(Sandboxes::State& state, LiveSandbox& sandbox) {
    std::erase_if(sandbox.record_to_change().ports, [&](const PublishedPort& port) {
        try {
            state.port_table.take(protocol_of(port), {host_address(port)}, {port.host_port, port.host_port},
                                  owner_of(sandbox));
            return false;
        } catch (const Error& error) {
            // Somebody else's: neither to be led here nor to be given back.
            log::warning("container {}: {}", sandbox.container_name, error.what());
            return true;
        }
    });
}

async::Task<void> release_ports(SandboxesPointer state, LivePointer sandbox,
                                std::vector<net::HeldPort> held) {
    std::vector<PublishedPort> ports = std::exchange(sandbox->record_to_change().ports, {});
    give_back(*state, *sandbox, ports);
    if (!held.empty()) co_await state->services.ports.release(std::move(held));
}

}  // namespace berth::engine

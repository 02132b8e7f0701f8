// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/connect.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/links.h"
#include "engine/oci/modes.h"

namespace berth::engine {
namespace {

using spec::api::EndpointSettings;
using spec::api::items;

constexpr const char* kSharesNetwork =
    "container sharing network namespace with another container or host cannot be connected to any other "
    "network";
constexpr const char* kHostNetwork =
    "container cannot be disconnected from host network or connected to host network";
constexpr const char* kNoNetwork =
    "container cannot be connected to multiple networks with one of the networks in private (none) mode";

Error refused(std::string_view why) {
    return Error(ErrorKind::invalid_argument, std::string(why));
}

std::string network_name(const Roster& roster, const std::string& reference) {
    if (is_default_network(reference)) return "bridge";
    auto network = roster.services.networks.find(reference);
    return network ? network->name : reference;
}

void check_settings(const std::string& network, const EndpointSettings& settings) {
    std::string problems;
    auto add = [&](std::string_view problem) { problems += fmt::format("\n{}", problem); };
    std::string v4, v6;
    if (settings.IPAMConfig) {
        v4 = settings.IPAMConfig->IPv4Address;
        v6 = settings.IPAMConfig->IPv6Address;
    }
    if (!is_user_network(network)) {
        if (!v4.empty() || !v6.empty())
            add("user specified IP address is supported on user defined networks only");
        if (!items(settings.Aliases).empty())
            add("network-scoped alias is supported only for containers in user defined networks");
    }
    auto is_word = [](const std::string& name) {
        return std::ranges::none_of(name, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
    };
    for (const std::string& alias : items(settings.Aliases))
        if (!is_word(alias)) add("invalid alias: " + quote(alias));
    for (const std::string& link : items(settings.Links))
        if (!is_word(link)) add("invalid link: " + quote(link));
    auto parsed4 = net::IpAddress::parse(v4), parsed6 = net::IpAddress::parse(v6);
    if (!v4.empty() && (!parsed4 || !parsed4->is_v4())) add("invalid IPv4 address: " + v4);
    if (!v6.empty() && (!parsed6 || parsed6->is_v4())) add("invalid IPv6 address: " + v6);
    if (!settings.MacAddress.empty() && !net::MacAddress::parse(settings.MacAddress))
        add("invalid MAC address: " + settings.MacAddress);
    if (!problems.empty()) throw refused("invalid endpoint settings:" + problems);
}

/// What was asked for, without what an earlier connection had.
EndpointSettings only_asked(EndpointSettings settings) {
    EndpointSettings asked;
    asked.IPAMConfig = std::move(settings.IPAMConfig);
    asked.Links = std::move(settings.Links);
    asked.Aliases = std::move(settings.Aliases);
    asked.MacAddress = std::move(settings.MacAddress);
    asked.DriverOpts = std::move(settings.DriverOpts);
    asked.GwPriority = settings.GwPriority;
    return asked;
}

void check_ports_named(const spec::api::ContainerConfig& config, const spec::api::HostConfig& host_config) {
    auto check = [](const std::string& text) {
        if (parse_ports(text).empty()) throw refused("invalid port specification: \"" + text + "\"");
    };
    for (const auto& [port, nothing] : config.ExposedPorts) check(port);
    for (const auto& [port, bindings] : items(host_config.PortBindings)) check(port);
}

void check_changeable(const ManagedContainer& container) {
    if (container.is_removed) throw make_error(ErrorKind::not_found, "No such container: {}", container.id());
    if (container.is_removing || container.state().status == ContainerStatus::dead)
        throw make_error(
            ErrorKind::conflict,
            "container {} is marked for removal and cannot be connected or disconnected to the network",
            container.id());
}

/// Networks that exclude each other.
void check_connectable(const ManagedContainer& container, const NetworkRecord& network) {
    const ContainerRecord& record = container.record();
    const std::string& mode = record.host_config.NetworkMode;
    if (is_container_mode(mode)) throw refused(kSharesNetwork);
    if (network.driver == "host" && mode != "host") throw refused(kHostNetwork);
    for (const auto& [name, settings] : record.networking.EndpointsConfig) {
        if (name == network.name) {
            // One that doesn't run gets new settings.
            if (!container.is_running()) continue;
            throw make_error(ErrorKind::forbidden, "endpoint with name {} already exists in network {}",
                             record.name, network.name);
        }
        if (name == "host" || network.driver == "host") throw refused(kSharesNetwork);
        if (name == "none" || network.driver == "null") throw refused(kNoNetwork);
    }
}

async::Task<void> connect_running(RosterPointer roster, ContainerPointer container, ContainerRecord record,
                                  std::shared_ptr<const NetworkRecord> network) {
    Sandboxes& sandboxes = roster->services.sandboxes;
    EndpointSettings settings = *record.networking.EndpointsConfig[network->name];
    if (!container->sandbox)
        container->sandbox =
            co_await sandboxes.open_running(record, container->bundle(), container->state().pid);
    std::shared_ptr<Sandbox> sandbox = container->sandbox;
    co_await sandboxes.add_endpoint(sandbox, record, network, std::move(settings), container->shim());
    std::exception_ptr failure;
    try {
        co_await roster->write_record(record);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await sandboxes.remove_endpoint(sandbox, container->record(), network->id);
        std::rethrow_exception(failure);
    }
    container->set_record(std::move(record));
    co_await rewrite_etc_files(roster, container);
}

async::Task<void> connect(RosterPointer roster, ContainerPointer container, std::string reference,
                          EndpointSettings settings) {
    check_changeable(*container);
    std::shared_ptr<const NetworkRecord> network = roster->services.networks.get(reference);
    check_connectable(*container, *network);
    settings = only_asked(std::move(settings));
    check_settings(network->name, settings);
    ContainerRecord record = container->record();
    record.networking.EndpointsConfig[network->name] = std::move(settings);
    if (container->is_running()) {
        co_await connect_running(roster, container, std::move(record), network);
        co_return;
    }
    co_await roster->write_record(record);
    container->set_record(std::move(record));
}

async::Task<void> disconnect_running(RosterPointer roster, ContainerPointer container, ContainerRecord before,
                                     std::string network_id) {
    std::shared_ptr<Sandbox> sandbox = container->sandbox;
    std::exception_ptr failure;
    try {
        co_await roster->services.sandboxes.remove_endpoint(sandbox, container->record(), network_id);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await roster->write_record(before);
        container->set_record(std::move(before));
        std::rethrow_exception(failure);
    }
    co_await rewrite_etc_files(roster, container);
}

async::Task<void> disconnect(RosterPointer roster, ContainerPointer container, std::string reference,
                             bool force) {
    check_changeable(*container);
    std::shared_ptr<const NetworkRecord> network = roster->services.networks.find(reference);
    if (!network && !force) roster->services.networks.get(reference);
    std::string name = network ? network->name : reference;
    ContainerRecord before = container->record(), record = before;
    if (container->is_running() && (record.host_config.NetworkMode == "host" || name == "host"))
        throw refused(kHostNetwork);
    if (is_container_mode(record.host_config.NetworkMode)) throw refused(kSharesNetwork);
    if (record.networking.EndpointsConfig.erase(name) == 0)
        throw make_error(ErrorKind::internal, "container {} is not connected to {}network {}",
                         container->id(), container->is_running() ? "" : "the ", name);
    if (container->is_running() && name == "none") roster->services.sandboxes.left_plain(before);
    co_await roster->write_record(record);
    container->set_record(std::move(record));
    if (container->is_running() && container->sandbox && network)
        co_await disconnect_running(roster, container, std::move(before), network->id);
    else if (!container->is_running() && network)
        roster->services.networks.disconnected(*network, container->id());
}

}  // namespace

spec::api::NetworkingConfig configured_networks(const Roster& roster,
                                                const spec::api::ContainerConfig& config,
                                                const spec::api::HostConfig& host_config,
                                                spec::api::NetworkingConfig asked) {
    check_ports_named(config, host_config);
    spec::api::NetworkingConfig configured;
    const std::string& mode = host_config.NetworkMode;
    if (is_container_mode(mode) || config.NetworkDisabled) return configured;
    configured.EndpointsConfig[network_name(roster, mode)];
    for (auto& [reference, settings] : asked.EndpointsConfig) {
        std::string name = network_name(roster, reference);
        EndpointSettings wanted = only_asked(std::move(settings).value_or(EndpointSettings{}));
        with_context([&] { return fmt::format("invalid config for network {}", name); },
                     [&] { check_settings(name, wanted); });
        configured.EndpointsConfig[name] = std::move(wanted);
    }
    return configured;
}

async::Task<void> connect_container(RosterPointer roster, ContainerPointer container, std::string network,
                                    EndpointSettings settings) {
    co_await container->operations.run(connect(roster, container, std::move(network), std::move(settings)));
}

async::Task<void> disconnect_container(RosterPointer roster, ContainerPointer container, std::string network,
                                       bool force) {
    co_await container->operations.run(disconnect(roster, container, std::move(network), force));
}

}  // namespace berth::engine

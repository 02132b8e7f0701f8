// SPDX-License-Identifier: Apache-2.0
// After a restart of the daemon: what living containers have is taken again.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/sandbox.h"
#include "shim/client_async.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// What the pool reads of a container.
struct Kept {
    std::optional<SandboxRecord> record;
    UniqueFd namespace_fd;
};

Kept read_kept(const std::string& bundle, pid_t pid) {
    Kept kept;
    std::optional<std::string> text = sys::try_read_file(bundle + "/network.json");
    if (!text) return kept;
    kept.record = decode_sandbox_record(*text);
    kept.namespace_fd = net::open_namespace(pid);
    return kept;
}

/// The container's settings for the network; null: it is not configured for it.
const std::optional<spec::api::EndpointSettings>* settings_for(const ContainerRecord& container,
                                                               const Networks& networks,
                                                               const std::string& network_id) {
    for (const auto& [name, settings] : container.networking.EndpointsConfig) {
        std::shared_ptr<const NetworkRecord> network = networks.find(name);
        if (network && network->id == network_id) return &settings;
    }
    return nullptr;
}

AddressLease lease_of(const Endpoint& endpoint) {
    return {.v4 = net::Prefix::parse(endpoint.v4),
            .v6 = net::Prefix::parse(endpoint.v6),
            .gateway4 = net::IpAddress::parse(endpoint.gateway4),
            .gateway6 = net::IpAddress::parse(endpoint.gateway6)};
}

/// The names of the interfaces that the container shall not have.
std::vector<std::string> take_places(Sandboxes::State& state, LiveSandbox& sandbox,
                                     const ContainerRecord& container, SandboxRecord kept) {
    std::vector<std::string> strays;
    for (Endpoint& endpoint : std::exchange(kept.endpoints, {})) {
        std::shared_ptr<const NetworkRecord> network = state.services.networks.find(endpoint.network_id);
        const auto* settings = settings_for(container, state.services.networks, endpoint.network_id);
        if (!network || settings == nullptr) {
            strays.push_back(endpoint.interface);
            continue;
        }
        LiveSandbox::Place place{network, lease_of(endpoint),
                                 settings->value_or(spec::api::EndpointSettings{})};
        state.services.networks.reserve(*network, place.lease);
        sandbox.places.push_back(std::move(place));
        kept.endpoints.push_back(std::move(endpoint));
    }
    sandbox.record_to_change() = std::move(kept);
    return strays;
}

/// The sockets that the shim has kept; new ones where it has none.
async::Task<void> resume_dns(SandboxesPointer state, LivePointer sandbox,
                             std::shared_ptr<shim::AsyncClient> shim, Sandboxes& sandboxes) {
    std::vector<UniqueFd> kept;
    try {
        std::string name = "dns";
        kept = co_await shim->unpark(std::move(name), true);
    } catch (const Error& error) {
        log::debug("DNS sockets of container {}: {}", sandbox->container_name, error.what());
    }
    if (kept.size() == 2) {
        net::DnsSockets sockets{.udp = std::move(kept[0]), .tcp = std::move(kept[1])};
        net::DnsClient client = dns_client(*state, *sandbox);
        co_await state->services.dns.open(std::move(client), std::move(sockets));
    } else {
        co_await open_dns(state, sandbox);
        co_await sandboxes.park(sandbox, std::move(shim));
    }
}

async::Task<void> enter_services(SandboxesPointer state, LivePointer sandbox) {
    for (size_t i = 0; i < sandbox->places.size(); ++i) {
        state->services.networks.joined(*sandbox->places[i].network, network_member(*sandbox, i), false);
        if (!sandbox->places[i].network->has_names()) continue;
        net::DnsEndpoint endpoint = dns_endpoint(*sandbox, i);
        co_await state->services.dns.add(std::move(endpoint));
    }
    if (!sandbox->service) co_return;
    ServiceMember member = service_member(*sandbox);
    co_await state->services.services.joined(std::move(member), sandbox->netns());
}

void merge(net::FirewallChange& into, net::FirewallChange from) {
    auto add = [](auto& to, auto& those) {
        to.insert(to.end(), std::make_move_iterator(those.begin()), std::make_move_iterator(those.end()));
    };
    add(into.bridges, from.bridges);
    add(into.ports, from.ports);
    add(into.services, from.services);
    add(into.addresses, from.addresses);
    add(into.links, from.links);
    add(into.separated, from.separated);
}

}  // namespace

async::Task<std::shared_ptr<Sandbox>> Sandboxes::adopt(const ContainerRecord& container, std::string bundle,
                                                       pid_t pid, std::shared_ptr<shim::AsyncClient> shim) {
    SandboxesPointer state = state_;
    auto read = [bundle, pid] { return read_kept(bundle, pid); };
    Kept kept = co_await async::run_blocking(std::move(read));
    if (!kept.record) co_return nullptr;
    auto sandbox = std::make_shared<LiveSandbox>();
    sandbox->bundle = std::move(bundle);
    sandbox->namespace_fd = std::move(kept.namespace_fd);
    std::vector<std::string> strays = take_places(*state, *sandbox, container, std::move(*kept.record));
    take_settings(*state, *sandbox, container);
    retake_ports(*state, *sandbox);
    sandbox->is_connected = true;
    state->live[container.id] = sandbox;
    auto remove_strays = [&strays, netns = sandbox->netns()] {
        for (const std::string& interface : strays) net::detach_endpoint(netns, interface);
    };
    if (!strays.empty()) co_await async::run_blocking(std::move(remove_strays));
    if (sandbox->record().asks_us) co_await resume_dns(state, sandbox, std::move(shim), *this);
    co_await enter_services(state, sandbox);
    if (state->is_restored) {
        // Late: its shim did not answer in time.
        co_await state->services.ports.hold(held_ports(*sandbox));
        co_await state->services.firewall.apply(rules_of(*sandbox));
    }
    co_return sandbox;
}

async::Task<void> Sandboxes::restore() {
    SandboxesPointer state = state_;
    net::FirewallChange all = state->services.networks.rules();
    std::vector<net::HeldPort> held;
    for (const auto& [id, sandbox] : state->live) {
        // Links are known once all are.
        sandbox->link_rules = wanted_link_rules(*state, *sandbox);
        merge(all, rules_of(*sandbox));
        for (net::HeldPort& port : held_ports(*sandbox)) held.push_back(std::move(port));
    }
    merge(all, state->services.services.rules());
    state->is_restored = true;
    try {
        co_await state->services.firewall.start(std::move(all));
        co_await state->services.services.begin();
    } catch (...) {
        log::error("there are no packet rules, so published ports and isolation don't work: {}",
                   current_exception_message());
    }
    try {
        co_await state->services.ports.restore(std::move(held));
    } catch (...) {
        log::error("published ports are not held: {}", current_exception_message());
    }
    for (const auto& [id, sandbox] : state->live) {
        if (!sandbox->record().asks_us || sandbox->links.empty()) continue;
        net::DnsClient client = dns_client(*state, *sandbox);
        co_await state->services.dns.update(std::move(client));
    }
}

}  // namespace berth::engine

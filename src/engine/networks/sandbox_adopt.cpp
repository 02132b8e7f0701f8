// SPDX-License-Identifier: Apache-2.0
// After a restart of the daemon: what living containers have is taken again.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/container.h"
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
                                                               const NetworkRecord& network) {
    const auto& configured = container.networking.EndpointsConfig;
    auto found = configured.find(network.name);
    if (found == configured.end()) found = configured.find(network.id);
    return found == configured.end() ? nullptr : &found->second;
}

AddressLease lease_of(const Endpoint& endpoint) {
    return {.v4 = net::Prefix::parse(endpoint.v4),
            .v6 = net::Prefix::parse(endpoint.v6),
            .gateway4 = net::IpAddress::parse(endpoint.gateway4),
            .gateway6 = net::IpAddress::parse(endpoint.gateway6)};
}

/// Also those that the container shall not have any more: restore() removes them as any disconnect does. The
/// interfaces in networks that are gone are given back.
std::vector<std::string> take_places(Sandboxes::State& state, LiveSandbox& sandbox,
                                     const ContainerRecord& container, SandboxRecord kept) {
    std::vector<std::string> strays;
    for (Endpoint& endpoint : std::exchange(kept.endpoints, {})) {
        std::shared_ptr<const NetworkRecord> network = state.services.networks.find(endpoint.network_id);
        if (!network) {
            strays.push_back(endpoint.interface);
            continue;
        }
        const auto* settings = settings_for(container, *network);
        LiveSandbox::Place place{.network = network, .lease = lease_of(endpoint)};
        if (settings != nullptr) place.settings = settings->value_or(spec::api::EndpointSettings{});
        place.is_stray = settings == nullptr;
        state.services.networks.reserve(*network, place.lease);
        sandbox.places.push_back(std::move(place));
        kept.endpoints.push_back(std::move(endpoint));
    }
    sandbox.record_to_change() = std::move(kept);
    return strays;
}

/// The sockets that the shim has kept, with the queries that came meanwhile. Nothing where it has none.
async::Task<void> unpark_dns(LivePointer sandbox, std::shared_ptr<shim::AsyncClient> shim) {
    try {
        std::string name = "dns";
        std::vector<UniqueFd> kept = co_await shim->unpark(std::move(name), true);
        if (kept.size() == 2) sandbox->kept = {.udp = std::move(kept[0]), .tcp = std::move(kept[1])};
    } catch (const Error& error) {
        log::debug("DNS sockets of container {}: {}", sandbox->container_name, error.what());
    }
}

/// Once all names are there: a query that waited must not be told that there is none.
async::Task<void> resume_dns(SandboxesPointer state, LivePointer sandbox) {
    if (sandbox->is_closed) co_return;
    try {
        if (!sandbox->kept.udp) {
            co_await open_dns(state, sandbox);
            sandbox->to_park = {};
        } else {
            net::DnsSockets sockets = std::exchange(sandbox->kept, {});
            net::DnsClient client = dns_client(*state, *sandbox);
            co_await state->services.dns.open(std::move(client), std::move(sockets));
        }
    } catch (...) {
        log::error("names in container {}: {}", sandbox->container_name, current_exception_message());
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

async::Task<void> resume_all_dns(SandboxesPointer state) {
    std::vector<LivePointer> asking;
    for (const auto& [id, sandbox] : state->live)
        if (sandbox->record().asks_us) asking.push_back(sandbox);
    for (const LivePointer& sandbox : asking) co_await resume_dns(state, sandbox);
}

/// Its shim did not answer before others were restored.
async::Task<void> come_late(SandboxesPointer state, LivePointer sandbox) {
    if (sandbox->record().asks_us) co_await resume_dns(state, sandbox);
    std::vector<net::HeldPort> held = held_ports(*sandbox);
    if (!held.empty()) co_await state->services.ports.hold(std::move(held));
    net::FirewallChange rules = rules_of(*sandbox);
    if (!rules.is_empty()) co_await state->services.firewall.apply(std::move(rules));
}

async::Task<void> resume(SandboxesPointer state, LivePointer sandbox, std::shared_ptr<shim::AsyncClient> shim,
                         std::vector<std::string> strays) {
    auto detach = [&strays, netns = sandbox->netns()] {
        for (const std::string& interface : strays) net::detach_endpoint(netns, interface);
    };
    if (!strays.empty()) co_await async::run_blocking(std::move(detach));
    if (sandbox->record().asks_us && shim) co_await unpark_dns(sandbox, shim);
    co_await enter_services(state, sandbox);
    if (state->is_restored) co_await come_late(state, sandbox);
}

/// What the kernel and the port holder were given of a sandbox by restore().
struct Restored {
    net::FirewallChange rules;
    std::vector<net::HeldPort> held;
};

/// What happened while they were given it.
async::Task<void> catch_up(SandboxesPointer state, std::map<LivePointer, Restored> restored) {
    std::vector<LivePointer> late;
    for (const auto& [id, sandbox] : state->live)
        if (!restored.contains(sandbox)) late.push_back(sandbox);
    // Those that close from now on see to it themselves.
    std::erase_if(restored, [](const auto& entry) { return !entry.first->is_closed; });
    for (auto& [sandbox, own] : restored) {
        net::FirewallChange change = difference(own.rules, {});
        if (!change.is_empty()) co_await state->services.firewall.apply(std::move(change));
        if (!own.held.empty()) co_await state->services.ports.release(std::move(own.held));
    }
    for (const LivePointer& sandbox : late) co_await come_late(state, sandbox);
}

/// Of a connect or disconnect that was cut short; the containers.
async::Task<std::vector<std::string>> remove_strays(SandboxesPointer state, Sandboxes& sandboxes) {
    std::vector<std::pair<LivePointer, std::string>> strays;
    for (const auto& [id, sandbox] : state->live)
        for (const LiveSandbox::Place& place : sandbox->places)
            if (place.is_stray) strays.emplace_back(sandbox, place.network->id);
    std::vector<std::string> containers;
    for (const auto& [sandbox, network_id] : strays) {
        std::string id = sandbox->record().container_id;
        std::shared_ptr<Container> container = state->services.find_container(id);
        if (!container || sandbox->is_closed) continue;
        co_await sandboxes.remove_endpoint(sandbox, container->record(), network_id);
        containers.push_back(std::move(id));
    }
    co_return containers;
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
    add(into.legs, from.legs);
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
    try {
        co_await resume(state, sandbox, std::move(shim), std::move(strays));
    } catch (...) {
        log::error("the network of container {}: {}", container.name, current_exception_message());
    }
    co_return sandbox;
}

async::Task<std::vector<std::string>> Sandboxes::restore() {
    SandboxesPointer state = state_;
    co_await resume_all_dns(state);
    // From here on to the end containers may end, and late ones may come.
    std::map<LivePointer, Restored> restored;
    net::FirewallChange all = state->services.networks.rules();
    std::vector<net::HeldPort> held;
    for (const auto& [id, sandbox] : state->live) {
        if (sandbox->is_closed) continue;
        // Links are known once all are.
        sandbox->link_rules = wanted_link_rules(*state, *sandbox);
        Restored& own = restored[sandbox] = {.rules = rules_of(*sandbox), .held = held_ports(*sandbox)};
        merge(all, own.rules);
        held.insert(held.end(), own.held.begin(), own.held.end());
    }
    merge(all, state->services.services.rules());
    try {
        co_await state->services.ports.restore(std::move(held));
    } catch (...) {
        log::error("published ports are not held: {}", current_exception_message());
    }
    try {
        co_await state->services.firewall.start(std::move(all));
        co_await state->services.services.begin();
    } catch (...) {
        log::error("there are no packet rules, so published ports and isolation don't work: {}",
                   current_exception_message());
    }
    state->is_restored = true;
    std::vector<std::string> changed;
    try {
        co_await catch_up(state, std::move(restored));
        changed = co_await remove_strays(state, *this);
    } catch (...) {
        log::error("containers' networks: {}", current_exception_message());
    }
    co_return changed;
}

}  // namespace berth::engine

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

/// Also those that the container shall not have any more: remove_strays() removes them as any disconnect
/// does. The interfaces in networks that are gone are given back.
std::vector<std::string> take_places(Sandboxes::State& state, LiveSandbox& sandbox,
                                     const ContainerRecord& container, SandboxRecord kept) {
    std::vector<std::string> lost;
    for (Endpoint& endpoint : std::exchange(kept.endpoints, {})) {
        std::shared_ptr<const NetworkRecord> network = state.services.networks.find(endpoint.network_id);
        if (!network) {
            lost.push_back(endpoint.interface);
            continue;
        }
        const auto* settings = settings_for(container, *network);
        LiveSandbox::Place place{.network = network, .lease = lease_of(endpoint)};
        if (settings != nullptr) place.settings = settings->value_or(spec::api::EndpointSettings{});
        place.is_stray = settings == nullptr;
        place.own = state.services.networks.reserve(*network, place.lease);
        sandbox.places.push_back(std::move(place));
        kept.endpoints.push_back(std::move(endpoint));
    }
    sandbox.record_to_change() = std::move(kept);
    return lost;
}

async::Task<void> enter_namespace(LivePointer sandbox, pid_t pid) {
    auto work = [pid, lost = std::exchange(sandbox->lost_interfaces, {})] {
        UniqueFd netns = net::open_namespace(pid);
        for (const std::string& interface : lost) net::detach_endpoint(netns.get(), interface);
        return netns;
    };
    sandbox->namespace_fd = co_await async::run_blocking(std::move(work));
}

/// Those that the shim has kept, with the queries that came meanwhile.
async::Task<net::DnsSockets> unpark(LivePointer sandbox, std::shared_ptr<shim::AsyncClient> shim) {
    net::DnsSockets sockets;
    try {
        std::string name = "dns";
        std::vector<UniqueFd> kept = co_await shim->unpark(std::move(name), true);
        if (kept.size() == 2) sockets = {.udp = std::move(kept[0]), .tcp = std::move(kept[1])};
    } catch (const Error& error) {
        log::debug("DNS sockets of container {}: {}", sandbox->container_name, error.what());
    }
    co_return sockets;
}

/// The namespace's redirection leads to them whatever it led to before.
async::Task<void> take_dns_sockets(LivePointer sandbox, std::shared_ptr<shim::AsyncClient> shim) {
    sandbox->kept = co_await unpark(sandbox, shim);
    bool is_new = !sandbox->kept.udp;
    auto work = [&sandbox, is_new] {
        net::DnsSockets& sockets = sandbox->kept;
        if (is_new) sockets = net::make_dns_sockets(sandbox->netns());
        net::redirect_dns(sandbox->netns(), net::port_of(sockets.udp.get()), net::port_of(sockets.tcp.get()));
        if (is_new) sandbox->to_park = {.udp = sockets.udp.duplicate(), .tcp = sockets.tcp.duplicate()};
    };
    co_await async::run_blocking(std::move(work));
}

/// Once all names are there: a query that waited must not be told that there is none.
async::Task<void> serve_names(SandboxesPointer state, LivePointer sandbox) {
    net::DnsSockets sockets = std::exchange(sandbox->kept, {});
    if (sandbox->is_closed || !sockets.udp) co_return;
    net::DnsClient client = dns_client(*state, *sandbox);
    co_await state->services.dns.open(std::move(client), std::move(sockets));
}

async::Task<void> show_endpoints(SandboxesPointer state, LivePointer sandbox) {
    for (size_t i = 0; i < sandbox->places.size(); ++i) {
        state->services.networks.joined(*sandbox->places[i].network, network_member(*sandbox, i), false);
        if (!sandbox->places[i].network->has_names()) continue;
        net::DnsEndpoint endpoint = dns_endpoint(*sandbox, i);
        co_await state->services.dns.add(std::move(endpoint));
    }
}

async::Task<void> enter_service(SandboxesPointer state, LivePointer sandbox) {
    if (!sandbox->service || sandbox->is_closed) co_return;
    ServiceMember member = service_member(*sandbox);
    co_await state->services.services.joined(std::move(member), sandbox->netns());
    std::string id = sandbox->record().container_id;
    if (sandbox->is_closed) co_await state->services.services.ended(std::move(id));
}

/// What the kernel and the port holder were given of a sandbox by restore().
struct Restored {
    net::FirewallChange rules;
    std::vector<net::HeldPort> held;
};

/// A bridge that somebody deleted while no daemon ran was made anew, without its ports.
async::Task<void> rejoin_bridges(SandboxesPointer state) {
    std::vector<std::pair<std::string, std::string>> ends;
    for (const auto& [id, sandbox] : state->live)
        for (size_t i = 0; i < sandbox->places.size(); ++i)
            if (const Endpoint& endpoint = sandbox->record().endpoints[i]; !endpoint.host_interface.empty())
                ends.emplace_back(endpoint.host_interface, sandbox->places[i].network->interface);
    if (ends.empty()) co_return;
    auto work = [&ends] {
        for (const std::string& end : net::rejoin_bridges(ends))
            log::info("{} had lost its bridge, and is in it again", end);
    };
    co_await async::run_blocking(std::move(work));
}

/// Those that closed while they were given it. From now on they see to it themselves.
async::Task<void> take_back(SandboxesPointer state, std::map<LivePointer, Restored> restored) {
    std::erase_if(restored, [](const auto& entry) { return !entry.first->is_closed; });
    for (auto& [sandbox, own] : restored) {
        net::FirewallChange change = difference(own.rules, {});
        if (!change.is_empty()) co_await state->services.firewall.apply(std::move(change));
        if (!own.held.empty()) co_await state->services.ports.release(std::move(own.held));
    }
}

/// Late ones see to it themselves.
async::Task<void> serve_all_names(SandboxesPointer state) {
    state->are_names_known = true;
    std::vector<LivePointer> adopted;
    for (const auto& [id, sandbox] : state->live)
        if (sandbox->is_adopted) adopted.push_back(sandbox);
    for (const LivePointer& sandbox : adopted)
        co_await attempt("names in container " + sandbox->container_name, serve_names(state, sandbox));
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
    add(into.spliced, from.spliced);
    add(into.separated, from.separated);
}

}  // namespace

std::shared_ptr<Sandbox> Sandboxes::claim(const ContainerRecord& container, std::string bundle,
                                          SandboxRecord kept) {
    auto sandbox = std::make_shared<LiveSandbox>();
    sandbox->bundle = std::move(bundle);
    sandbox->lost_interfaces = take_places(*state_, *sandbox, container, std::move(kept));
    take_settings(*state_, *sandbox, container);
    retake_ports(*state_, *sandbox);
    state_->live[container.id] = sandbox;
    return sandbox;
}

async::Task<void> Sandboxes::adopt(std::shared_ptr<Sandbox> sandbox, const ContainerRecord& container,
                                   pid_t pid, std::shared_ptr<shim::AsyncClient> shim) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    std::string what = fmt::format("the network of container {}", container.name);
    // Whom it is linked to may be another one than the daemon's records said.
    take_settings(*state, *live, container);
    co_await attempt(what, enter_namespace(live, pid));
    if (live->record().asks_us && live->namespace_fd) {
        co_await attempt(what, take_dns_sockets(live, shim));
        co_await attempt(what, park(sandbox, shim));
    }
    co_await show(sandbox);
    live->is_adopted = true;
    if (state->are_names_known) co_await attempt(what, serve_names(state, live));
}

async::Task<void> Sandboxes::show(std::shared_ptr<Sandbox> sandbox) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    if (live->is_closed) co_return;
    live->is_connected = true;
    std::string what = fmt::format("the network of container {}", live->container_name);
    co_await attempt(what, show_endpoints(state, live));
    co_await attempt(what, enter_service(state, live));
}

async::Task<void> Sandboxes::restore() {
    SandboxesPointer state = state_;
    co_await attempt("bridges", rejoin_bridges(state));
    co_await serve_all_names(state);
    // From here on to the end containers may end.
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
    bool has_rules = false;
    try {
        co_await state->services.firewall.start(std::move(all));
        has_rules = true;
        co_await state->services.services.begin();
    } catch (...) {
        log::error("there are no packet rules, so published ports and isolation don't work: {}",
                   current_exception_message());
    }
    co_await attempt("networks", state->services.networks.open(has_rules));
    state->is_restored = true;
    state->restored.set();
    co_await attempt("containers' networks", take_back(state, std::move(restored)));
}

bool Sandboxes::has_strays(const Sandbox& sandbox) const {
    const auto& live = static_cast<const LiveSandbox&>(sandbox);
    return std::ranges::any_of(live.places, &LiveSandbox::Place::is_stray);
}

async::Task<void> Sandboxes::remove_strays(std::shared_ptr<Sandbox> sandbox,
                                           const ContainerRecord& container) {
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    std::vector<std::string> networks;
    for (LiveSandbox::Place& place : live->places)
        if (std::exchange(place.is_stray, false)) networks.push_back(place.network->id);
    for (const std::string& network : networks)
        co_await attempt("the network of container " + container.name,
                         remove_endpoint(sandbox, container, network));
}

}  // namespace berth::engine

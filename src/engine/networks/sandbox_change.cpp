// SPDX-License-Identifier: Apache-2.0
// Changes of a sandbox while its container runs.
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "engine/networks/sandbox.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// What the sandbox was before a change.
struct Before {
    net::FirewallChange rules;
    std::vector<net::HeldPort> held;
    bool asks_us;
    explicit Before(const LiveSandbox& sandbox)
        : rules(rules_of(sandbox)), held(held_ports(sandbox)), asks_us(sandbox.record().asks_us) {}
};

async::Task<void> keep_record(LivePointer sandbox) {
    std::string text = encode_sandbox_record(sandbox->record());
    auto work = [text, bundle = sandbox->bundle] {
        UniqueFd directory = sys::open_file(bundle, O_RDONLY | O_DIRECTORY);
        sys::write_file_atomic_at(directory.get(), "network.json", text);
    };
    co_await async::run_blocking(std::move(work));
}

std::vector<std::pair<net::IpAddress, std::string>> default_routes(const LiveSandbox& sandbox) {
    std::vector<std::pair<net::IpAddress, std::string>> routes;
    Gateways gateways = choose_gateways(sandbox);
    auto add = [&](std::optional<size_t> index, std::string Endpoint::* member) {
        if (!index) return;
        const Endpoint& endpoint = sandbox.record().endpoints[*index];
        if (auto gateway = net::IpAddress::parse(endpoint.*member))
            routes.emplace_back(*gateway, endpoint.interface);
    };
    add(gateways.v4, &Endpoint::gateway4);
    add(gateways.v6, &Endpoint::gateway6);
    return routes;
}

async::Task<void> set_routes(LivePointer sandbox) {
    auto work = [routes = default_routes(*sandbox), netns = sandbox->netns()] {
        net::set_default_routes(netns, routes);
    };
    co_await async::run_blocking(std::move(work));
}

async::Task<void> attach(LivePointer sandbox, size_t index) {
    net::EndpointSpec spec = endpoint_spec(*sandbox, index, Gateways{});
    auto work = [&spec, netns = sandbox->netns()] { net::attach_endpoint(netns, spec); };
    co_await async::run_blocking(std::move(work));
}

async::Task<void> detach(LivePointer sandbox, std::string interface) {
    auto work = [&interface, netns = sandbox->netns()] { net::detach_endpoint(netns, interface); };
    co_await async::run_blocking(std::move(work));
}

/// Published ports are those of the endpoints with the default routes, which may be others now.
async::Task<void> move_ports(SandboxesPointer state, LivePointer sandbox, const ContainerRecord& container,
                             const Before& before) {
    bool had_ports = !sandbox->record().ports.empty();
    bool leads_somewhere = !had_ports || !port_rules(*sandbox).empty();
    if (!leads_somewhere) {
        std::vector<net::HeldPort> held = before.held;
        co_await release_ports(state, sandbox, std::move(held));
    } else if (!had_ports) {
        co_await publish_ports(state, sandbox, container);
    } else {
        std::vector<net::HeldPort> now = held_ports(*sandbox), more, less;
        std::vector<net::HeldPort> then = before.held;
        std::ranges::sort(now);
        std::ranges::sort(then);
        std::ranges::set_difference(now, then, std::back_inserter(more));
        std::ranges::set_difference(then, now, std::back_inserter(less));
        if (!more.empty()) co_await state->services.ports.hold(std::move(more));
        if (!less.empty()) co_await state->services.ports.release(std::move(less));
    }
}

async::Task<void> move_rules(SandboxesPointer state, LivePointer sandbox, const Before& before) {
    sandbox->link_rules = wanted_link_rules(*state, *sandbox);
    net::FirewallChange change = difference(before.rules, rules_of(*sandbox));
    if (!change.is_empty() && state->is_restored) co_await state->services.firewall.apply(std::move(change));
}

async::Task<void> move_in_service(SandboxesPointer state, LivePointer sandbox) {
    if (!sandbox->service) co_return;
    ServiceMember member = service_member(*sandbox);
    co_await state->services.services.joined(std::move(member), sandbox->netns());
}

async::Task<void> show_names(SandboxesPointer state, LivePointer sandbox) {
    if (sandbox->record().asks_us) {
        net::DnsClient client = dns_client(*state, *sandbox);
        co_await state->services.dns.update(std::move(client));
    }
    for (size_t i = 0; i < sandbox->places.size(); ++i) {
        if (!sandbox->places[i].network->has_names()) continue;
        net::DnsEndpoint endpoint = dns_endpoint(*sandbox, i);
        co_await state->services.dns.add(std::move(endpoint));
    }
}

std::vector<net::FlowFilter> flows_of(const LiveSandbox::Place& place) {
    std::vector<net::FlowFilter> filters;
    for (const auto& prefix : {place.lease.v4, place.lease.v6}) {
        if (!prefix) continue;
        filters.push_back({.reply_source = prefix->address});
    }
    return filters;
}

/// The steps of a connect that can fail. The endpoint is the last one.
async::Task<void> enter_network(SandboxesPointer state, LivePointer sandbox, const ContainerRecord& container,
                                const Before& before, std::shared_ptr<shim::AsyncClient> shim,
                                Sandboxes& sandboxes, bool& is_attached) {
    size_t index = sandbox->places.size() - 1;
    Endpoint& endpoint = sandbox->record_to_change().endpoints[index];
    if (endpoint.driver == "bridge") endpoint.host_interface = state->pool.new_interface_name();
    take_settings(*state, *sandbox, container);
    bool needs_dns = !sandbox->record().asks_us && sandbox->places[index].network->has_names();
    if (needs_dns) sandbox->record_to_change().asks_us = true;
    co_await keep_record(sandbox);
    co_await attach(sandbox, index);
    is_attached = true;
    co_await set_routes(sandbox);
    if (needs_dns) {
        co_await open_dns(state, sandbox);
        co_await sandboxes.park(sandbox, shim);
    }
    co_await move_ports(state, sandbox, container, before);
    co_await move_rules(state, sandbox, before);
    co_await move_in_service(state, sandbox);
    co_await keep_record(sandbox);
    co_await show_names(state, sandbox);
}

/// After a failure of enter_network. An interface of that name that was there before stays.
async::Task<void> undo_enter(SandboxesPointer state, LivePointer sandbox, const ContainerRecord& container,
                             const Before& before, bool was_attached) {
    size_t index = sandbox->places.size() - 1;
    Endpoint endpoint = sandbox->record().endpoints[index];
    Before failed(*sandbox);
    std::string what = fmt::format("undoing a connection of container {}", sandbox->container_name);
    if (was_attached) co_await attempt(what, detach(sandbox, endpoint.interface));
    drop_place(*state, *sandbox, index);
    take_settings(*state, *sandbox, container);
    co_await attempt(what, state->services.dns.remove(endpoint.network_id, endpoint.id));
    sandbox->record_to_change().asks_us = before.asks_us;
    std::string id = sandbox->record().container_id;
    if (!before.asks_us) co_await attempt(what, state->services.dns.close(std::move(id)));
    co_await attempt(what, set_routes(sandbox));
    co_await attempt(what, move_ports(state, sandbox, container, failed));
    co_await attempt(what, move_rules(state, sandbox, failed));
    co_await attempt(what, move_in_service(state, sandbox));
    co_await attempt(what, keep_record(sandbox));
}

}  // namespace

async::Task<void> Sandboxes::add_endpoint(std::shared_ptr<Sandbox> sandbox, const ContainerRecord& container,
                                          std::shared_ptr<const NetworkRecord> network,
                                          spec::api::EndpointSettings settings,
                                          std::shared_ptr<shim::AsyncClient> shim) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    Before before(*live);
    WantedEndpoint wanted{network, std::move(settings)};
    co_await join_network(state, live, container, wanted);
    std::exception_ptr failure;
    bool is_attached = false;
    try {
        co_await enter_network(state, live, container, before, std::move(shim), *this, is_attached);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await undo_enter(state, live, container, before, is_attached);
        std::rethrow_exception(failure);
    }
    state->services.networks.joined(*network, network_member(*live, live->places.size() - 1));
    co_await update_links(state, live);
}

async::Task<void> Sandboxes::remove_endpoint(std::shared_ptr<Sandbox> sandbox,
                                             const ContainerRecord& container, std::string network_id) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    auto found = std::ranges::find_if(live->record().endpoints, [&](const Endpoint& endpoint) {
        return endpoint.network_id == network_id;
    });
    if (found == live->record().endpoints.end()) co_return;
    auto index = static_cast<size_t>(found - live->record().endpoints.begin());
    Before before(*live);
    Endpoint endpoint = *found;
    LiveSandbox::Place place = live->places[index];
    co_await detach(live, endpoint.interface);
    // From here on it goes on to its end, whatever fails.
    live->places.erase(live->places.begin() + static_cast<ptrdiff_t>(index));
    auto& endpoints = live->record_to_change().endpoints;
    endpoints.erase(endpoints.begin() + static_cast<ptrdiff_t>(index));
    state->services.networks.left(*place.network, container.id);
    take_settings(*state, *live, container);
    std::string what =
        fmt::format("disconnecting container {} from {}", live->container_name, endpoint.network_name);
    if (!endpoint.names.empty()) co_await attempt(what, state->services.dns.remove(network_id, endpoint.id));
    co_await attempt(what, set_routes(live));
    co_await attempt(what, move_ports(state, live, container, before));
    co_await attempt(what, move_rules(state, live, before));
    co_await attempt(what, move_in_service(state, live));
    co_await attempt(what, keep_record(live));
    co_await attempt(what, show_names(state, live));
    co_await attempt(what, update_links(state, live));
    std::vector<net::FlowFilter> flows;
    if (!before.held.empty()) flows = flows_of(place);
    for (net::FlowFilter& flow : datagram_flows(*live)) flows.push_back(std::move(flow));
    co_await attempt(what, drop_flows(std::move(flows)));
    state->services.networks.release(*place.network, place.own);
}

async::Task<void> Sandboxes::renamed(std::shared_ptr<Sandbox> sandbox, const ContainerRecord& container) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    if (!live || live->is_closed) co_return;
    live->container_name = container.name;
    state->port_table.rename(container.id, container.name);
    for (size_t i = 0; i < live->places.size(); ++i)
        live->record_to_change().endpoints[i].names =
            endpoint_names(container, *live->places[i].network, live->places[i].settings);
    state->services.networks.renamed(container.id, container.name);
    co_await show_names(state, live);
    co_await keep_record(live);
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/sandboxes.h"

#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/sandbox.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// Namespaces that wait for containers.
constexpr size_t kPoolSize = 4;

LivePointer make_sandbox(const ContainerRecord& container, std::string bundle) {
    auto sandbox = std::make_shared<LiveSandbox>();
    sandbox->record_to_change().id = random_hex(32);
    sandbox->record_to_change().container_id = container.id;
    sandbox->bundle = std::move(bundle);
    return sandbox;
}

/// The host's name servers are all on its loopback device, where no container reaches them: the daemon asks
/// them for it, in place of Docker's 8.8.8.8.
bool has_only_local_servers() {
    size_t local = 0;
    std::string text = sys::try_read_file("/etc/resolv.conf").value_or("");
    for (std::string_view line : split(text, '\n')) {
        std::vector<std::string_view> words = split_fields(line);
        if (words.size() < 2 || words[0] != "nameserver") continue;
        std::optional<net::IpAddress> address = net::IpAddress::parse(words[1]);
        if (!address || !address->is_loopback()) return false;
        ++local;
    }
    return local > 0;
}

bool asks_us(const LiveSandbox& sandbox) {
    for (const LiveSandbox::Place& place : sandbox.places)
        if (place.network->has_names()) return true;
    return sandbox.dns_servers.empty() && has_only_local_servers();
}

/// The pair that was born with the namespace has the name eth0 there already: it is the first endpoint's, or
/// nobody's.
async::Task<void> take_namespace(SandboxesPointer state, LivePointer sandbox) {
    std::vector<Endpoint>& endpoints = sandbox->record_to_change().endpoints;
    sandbox->is_namespace_ours = true;
    if (endpoints.front().driver == "bridge") {
        net::PreparedNamespace prepared = co_await state->pool.take();
        sandbox->namespace_fd = std::move(prepared.netns);
        endpoints.front().host_interface = prepared.host_interface;
        sandbox->prepared_host_interface = std::move(prepared.host_interface);
        sandbox->prepared_interface = std::move(prepared.interface);
    } else {
        auto make = [] { return net::make_namespace(); };
        sandbox->namespace_fd = co_await async::run_blocking(std::move(make));
    }
    for (Endpoint& endpoint : endpoints)
        if (endpoint.driver == "bridge" && endpoint.host_interface.empty())
            endpoint.host_interface = state->pool.new_interface_name();
}

async::Task<void> remove_rules(SandboxesPointer state, LivePointer sandbox) {
    net::FirewallChange rules = rules_of(*sandbox), change;
    change.removed_ports = std::move(rules.ports);
    change.removed_links = std::move(rules.links);
    change.removed_legs = std::move(rules.legs);
    change.removed_spliced = std::move(rules.spliced);
    change.unseparated = std::move(rules.separated);
    if (!change.is_empty()) co_await state->services.firewall.apply(std::move(change));
}

async::Task<void> remove_names(SandboxesPointer state, LivePointer sandbox) {
    for (const Endpoint& endpoint : sandbox->record().endpoints)
        if (!endpoint.names.empty()) co_await state->services.dns.remove(endpoint.network_id, endpoint.id);
    if (sandbox->record().asks_us) co_await state->services.dns.close(sandbox->record().container_id);
}

/// What the kernel remembers of translated flows, and interfaces where the namespace lives on.
async::Task<void> remove_traces(LivePointer sandbox, bool with_interfaces) {
    std::vector<net::FlowFilter> filters = datagram_flows(*sandbox);
    if (!sandbox->record().ports.empty() || sandbox->service)
        for (const LiveSandbox::Place& place : sandbox->places)
            for (const auto& prefix : {place.lease.v4, place.lease.v6})
                if (prefix) filters.push_back({.reply_source = prefix->address});
    std::vector<std::string> interfaces;
    if (with_interfaces && sandbox->namespace_fd)
        for (const Endpoint& endpoint : sandbox->record().endpoints) interfaces.push_back(endpoint.interface);
    if (filters.empty() && interfaces.empty()) co_return;
    auto work = [&] {
        if (!filters.empty()) net::forget_flows(filters);
        for (const std::string& interface : interfaces) net::detach_endpoint(sandbox->netns(), interface);
    };
    co_await async::run_blocking(std::move(work));
}

}  // namespace

async::Task<void> attempt(std::string what, async::Task<void> step) {
    try {
        co_await std::move(step);
    } catch (...) {
        log::warning("{}: {}", what, current_exception_message());
    }
}

async::Task<void> drop_flows(std::vector<net::FlowFilter> filters) {
    if (filters.empty()) co_return;
    auto work = [&filters] { net::forget_flows(filters); };
    co_await async::run_blocking(std::move(work));
}

Sandboxes::State::State(Dependencies dependencies)
    : services(std::move(dependencies)),
      pool(services.control, machine_tag(services.config), kPoolSize),
      restored(services.control),
      has_ipv6(access("/proc/net/if_inet6", F_OK) == 0) {}

Sandboxes::Sandboxes(Dependencies dependencies) : state_(std::make_shared<State>(std::move(dependencies))) {}

Sandboxes::~Sandboxes() {
    state_->pool.close();
}

async::Task<void> join_network(SandboxesPointer state, LivePointer sandbox, const ContainerRecord& container,
                               const WantedEndpoint& wanted) {
    bool is_full = false;
    try {
        add_place(*state, *sandbox, container, wanted);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        is_full = true;
    }
    if (!is_full) co_return;
    co_await state->services.services.drop_unused(wanted.network);
    add_place(*state, *sandbox, container, wanted);
}

async::Task<std::shared_ptr<Sandbox>> Sandboxes::open(const ContainerRecord& container, std::string bundle) {
    SandboxesPointer state = state_;
    // A restart policy's may come before all that runs is known to the port holder.
    if (!state->is_restored) co_await state->restored.wait();
    std::vector<WantedEndpoint> wanted = wanted_endpoints(container, state->services.networks);
    if (wanted.empty()) co_return nullptr;
    LivePointer sandbox = make_sandbox(container, std::move(bundle));
    std::exception_ptr failure;
    try {
        sandbox->container_name = container.name;
        for (const WantedEndpoint& one : wanted) co_await join_network(state, sandbox, container, one);
        take_settings(*state, *sandbox, container);
        sandbox->record_to_change().asks_us = asks_us(*sandbox);
        co_await take_namespace(state, sandbox);
        co_await publish_ports(state, sandbox, container);
        state->live[container.id] = sandbox;
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return sandbox;
    co_await close(sandbox);
    std::rethrow_exception(failure);
}

async::Task<std::shared_ptr<Sandbox>> Sandboxes::open_running(const ContainerRecord& container,
                                                              std::string bundle, pid_t pid) {
    SandboxesPointer state = state_;
    LivePointer sandbox = make_sandbox(container, std::move(bundle));
    take_settings(*state, *sandbox, container);
    auto open_it = [pid] { return net::open_namespace(pid); };
    sandbox->namespace_fd = co_await async::run_blocking(std::move(open_it));
    sandbox->is_connected = true;
    state->live[container.id] = sandbox;
    co_return sandbox;
}

async::Task<void> Sandboxes::close(std::shared_ptr<Sandbox> sandbox, bool is_shared) {
    SandboxesPointer state = state_;
    LivePointer live = std::static_pointer_cast<LiveSandbox>(sandbox);
    if (!live || std::exchange(live->is_closed, true)) co_return;
    const std::string id = live->record().container_id;
    std::string what = fmt::format("the network of container {}", live->container_name);
    // Before that restore() has not told anybody of it, or does what has to be done.
    const bool is_restored = state->is_restored;
    bool was_connected = std::exchange(live->is_connected, false);
    if (live->service) co_await attempt(what, state->services.services.ended(id));
    if (is_restored) co_await attempt(what, remove_rules(state, live));
    co_await attempt(what, remove_names(state, live));
    if (auto known = state->live.find(id); known != state->live.end() && known->second == live)
        state->live.erase(known);
    co_await attempt(what, update_links(state, live));
    if (was_connected)
        for (const LiveSandbox::Place& place : live->places)
            state->services.networks.left(*place.network, id);
    co_await attempt(what, remove_traces(live, is_shared));
    std::vector<net::HeldPort> held;
    if (is_restored) held = held_ports(*live);
    co_await attempt(what, release_ports(state, live, std::move(held)));
    for (const LiveSandbox::Place& place : live->places)
        state->services.networks.release(*place.network, place.own);
    live->places.clear();
    live->record_to_change().endpoints.clear();
    live->namespace_fd.reset();
    live->to_park = {};
    live->kept = {};
}

}  // namespace berth::engine

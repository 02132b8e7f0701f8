// SPDX-License-Identifier: Apache-2.0
// The daemon's start: rows, the default networks, and the host's devices brought to what they say.
#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "engine/networks/create_rules.h"
#include "engine/networks/default_networks.h"
#include "engine/networks/host_routing.h"
#include "engine/networks/networks_state.h"
#include "engine/networks/subnet_lock.h"
#include "engine/state/state_db.h"

namespace berth::engine {

using async::Task;
using net::Family;

namespace {

struct Rows {
    std::map<std::string, NetworkRecord> builtin;  ///< by name
    std::vector<NetworkRecord> others;
    std::map<std::string, std::map<std::string, net::IpAddress>> services;  ///< of networks
};

void read_rows(Rows& into, db::Database& database) {
    db::Statement rows = database.prepare("SELECT name, record FROM networks ORDER BY name");
    while (rows.step()) {
        try {
            NetworkRecord record = decode_network_record(rows.text(1));
            if (record.is_builtin)
                into.builtin.emplace(record.name, std::move(record));
            else
                into.others.push_back(std::move(record));
        } catch (const std::exception& error) {
            log::error("the record of network {} can't be read, it is left alone: {}", rows.text(0),
                       error.what());
        }
    }
    db::Statement services = database.prepare("SELECT network, service, address FROM virtual_addresses");
    while (services.step())
        if (auto address = net::IpAddress::parse(services.text(2)))
            into.services[std::string(services.text(0))].emplace(services.text(1), *address);
}

struct Host {
    std::vector<net::LinkInfo> links;
    std::vector<net::Prefix> routes, bridge_addresses;
};

Host read_host(const std::string& bridge) {
    Host host{net::list_links(), net::host_routes(), {}};
    if (std::ranges::find(host.links, bridge, &net::LinkInfo::name) != host.links.end())
        host.bridge_addresses = net::addresses_of(bridge);
    return host;
}

BridgeSurroundings surroundings(const Networks::State& state, const Host& host, const std::string& bridge) {
    BridgeSurroundings around;
    auto link = std::ranges::find(host.links, bridge, &net::LinkInfo::name);
    around.exists = link != host.links.end();
    DeviceOwner owner = owner_of_device(host.links, bridge, state.alias);
    // Another daemon's is refused when it is to be made.
    around.is_ours = owner != DeviceOwner::user;
    around.has_ports = around.exists && std::ranges::any_of(host.links, [&](const net::LinkInfo& one) {
                           return one.master == link->index;
                       });
    around.addresses = host.bridge_addresses;
    around.routes = host.routes;
    around.taken = state.taken_subnets();
    around.pools = state.pools;
    return around;
}

struct Device {
    std::shared_ptr<const NetworkRecord> record;
    std::vector<net::IpAddress> virtual_addresses;
    std::string problem;
};

/// Blocking. What can't be made is told in the device's `problem`.
std::vector<Device> make_devices(std::vector<Device> devices, const std::string& alias) {
    std::vector<std::string> wanted;
    for (Device& device : devices) {
        wanted.push_back(device.record->interface);
        try {
            // Published ports of containers that run go on at 127.0.0.1 where they were.
            make_device(*device.record, alias, device.virtual_addresses, std::nullopt);
        } catch (const std::exception& error) {
            device.problem = error.what();
        }
    }
    for (const std::string& stray : stray_devices(net::list_links(), alias, wanted)) {
        try {
            net::remove_link(stray);
        } catch (const std::exception& error) {
            log::warning("{} is left of a daemon that was killed and can't be removed: {}", stray,
                         error.what());
        }
    }
    return devices;
}

void restore_services(Networks::State::Entry& entry, const Rows& rows) {
    auto services = rows.services.find(entry.record->id);
    if (services == rows.services.end()) return;
    for (const auto& [service, address] : services->second)
        for (net::AddressPool& pool : entry.pools)
            if (pool.subnet().contains(address) && pool.reserve(address))
                entry.services.emplace(service, address);
}

/// The default networks that have no row, or one that is not what the flags say.
std::vector<NetworkRecord> changed_builtins(Networks::State& state, Rows& rows, const Host& host) {
    std::vector<NetworkRecord> changed;
    for (auto [name, driver] : {std::pair("host", "host"), std::pair("none", "null")}) {
        auto stored = rows.builtin.find(name);
        if (stored == rows.builtin.end()) changed.push_back(make_plain_network(name, driver));
        state.add(stored == rows.builtin.end() ? changed.back() : stored->second);
    }
    std::string bridge = default_bridge_name(state.with.config);
    if (bridge == "none") return changed;
    std::optional<NetworkRecord> stored;
    if (auto row = rows.builtin.find(std::string(kDefaultBridgeNetwork)); row != rows.builtin.end())
        stored = row->second;
    NetworkRecord made = make_default_bridge(state.with.config, stored, surroundings(state, host, bridge));
    if (!stored || encode_network_record(*stored) != encode_network_record(made)) changed.push_back(made);
    state.add(std::move(made));
    return changed;
}

}  // namespace

Task<void> Networks::State::recover(Pointer self) {
    Rows rows;
    self->with.database.read([&](db::Database& database) { read_rows(rows, database); });
    std::string bridge = default_bridge_name(self->with.config);
    std::optional<store::LockFile> lock = co_await async::run_blocking(lock_subnets);
    auto read = [bridge] { return read_host(bridge); };
    Host host = co_await async::run_blocking(std::move(read));
    for (NetworkRecord& record : rows.others) self->add(std::move(record));
    std::vector<NetworkRecord> changed = changed_builtins(*self, rows, host);
    if (!changed.empty()) {
        StateDb::Work write = [changed](db::Database& database) {
            for (const NetworkRecord& record : changed)
                write_network_row(database, record.id, record.name, encode_network_record(record));
        };
        co_await self->with.database.write(std::move(write));
    }
    std::vector<Device> devices;
    for (auto& [id, entry] : self->entries) {
        restore_services(entry, rows);
        if (!entry.record->interface.empty() && !entry.record->is_config_only)
            devices.push_back({entry.record, entry.virtual_addresses(), ""});
    }
    auto make = [devices, alias = self->alias] { return make_devices(devices, alias); };
    devices = co_await async::run_blocking(std::move(make));
    for (const Device& device : devices) {
        if (device.problem.empty()) continue;
        log::error("network {}: {} can't be made, its containers can't start: {}", device.record->name,
                   device.record->interface, device.problem);
        self->entries.at(device.record->id).problem = device.problem;
    }
    auto note = [exec_root = self->with.config.exec_root, needed = self->needed_routing()] {
        return note_routing(exec_root, needed);
    };
    self->routed_for_us = co_await async::run_blocking(std::move(note));
}

std::vector<Family> Networks::State::needed_routing() const {
    std::vector<Family> needed;
    if (!with.config.network.ip_forward) return needed;
    for (Family family : {Family::v4, Family::v6})
        if (std::ranges::any_of(entries, [&](const auto& entry) {
                return entry.second.record->is_bridge() && entry.second.record->enables(family);
            }))
            needed.push_back(family);
    return needed;
}

Task<void> Networks::State::open(Pointer self, bool has_rules) {
    self->has_rules = has_rules;
    std::vector<std::string> bridges;
    for (const auto& [id, entry] : self->entries)
        if (entry.record->is_bridge() && entry.problem.empty()) bridges.push_back(entry.record->interface);
    std::vector<Family> needed = has_rules ? self->needed_routing() : std::vector<Family>();
    auto work = [bridges, needed, loopback = self->routes_loopback()] {
        for (const std::string& bridge : bridges) net::route_loopback(bridge, loopback);
        turn_routing_on(needed);
    };
    co_await async::run_blocking(std::move(work));
}

}  // namespace berth::engine

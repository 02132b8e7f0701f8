// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/create_rules.h"
#include "engine/networks/host_routing.h"
#include "engine/networks/networks_state.h"
#include "engine/networks/subnet_lock.h"
#include "engine/state/state_db.h"

namespace berth::engine {

using async::Task;
using net::Family;

namespace {

constexpr size_t kIdBytes = 32, kShortId = 12;

struct Host {
    std::vector<net::LinkInfo> links;
    std::vector<net::Prefix> routes;
};

Host read_host() {
    return {net::list_links(), net::host_routes()};
}

/// The device that the network gets where none was named.
void name_device(NetworkRecord& record) {
    if (!record.interface.empty() || record.is_config_only) return;
    record.interface = (record.is_bridge() ? "br-" : "dm-") + record.id.substr(0, kShortId);
}

void claim_device(NetworkRecord& record, const Host& host, const std::string& alias) {
    if (record.is_config_only) return;
    DeviceOwner owner = owner_of_device(host.links, record.interface, alias);
    record.is_interface_ours = owner == DeviceOwner::nobody || owner == DeviceOwner::us;
    auto link = std::ranges::find(host.links, record.interface, &net::LinkInfo::name);
    if (record.is_bridge() && link != host.links.end() && link->kind != "bridge")
        throw make_error(ErrorKind::invalid_argument, "existing interface {} is not a bridge",
                         record.interface);
}

void choose_subnets(NetworkPlan& plan, const std::vector<net::PoolSetting>& pools,
                    const std::vector<net::Prefix>& taken, const Host& host) {
    for (Family family : {Family::v4, Family::v6}) {
        if (!(family == Family::v4 ? plan.needs_v4 : plan.needs_v6)) continue;
        NetworkSubnet subnet{.subnet = net::choose_subnet(family, pools, taken, host.routes)};
        choose_gateway(plan.record, subnet);
        // IPv4 first, as inspect shows them.
        auto at = family == Family::v4 ? plan.record.subnets.begin() : plan.record.subnets.end();
        plan.record.subnets.insert(at, std::move(subnet));
    }
}

void erase_rows(db::Database& database, const std::string& id) {
    database.run("DELETE FROM networks WHERE id = ?", id);
    database.run("DELETE FROM virtual_addresses WHERE network = ?", id);
}

/// The rules come before the bridge has a port, and before the host routes packets for it.
Task<void> make_rules(Networks::State::Pointer self, std::shared_ptr<const NetworkRecord> record,
                      std::vector<Family> routed) {
    auto note = [exec_root = self->with.config.exec_root, routed] { return note_routing(exec_root, routed); };
    self->routed_for_us = co_await async::run_blocking(std::move(note));
    net::FirewallChange change;
    change.bridges.push_back(bridge_rules(*record, self->with.config));
    change.closed = self->closed_routing();
    co_await self->with.firewall.apply(std::move(change));
}

Task<void> make_kernel_parts(Networks::State::Pointer self, std::shared_ptr<const NetworkRecord> record) {
    if (record->is_config_only) co_return;
    std::vector<Family> routed;
    if (self->with.config.network.ip_forward) routed = routed_families(*record);
    if (record->is_bridge()) co_await make_rules(self, record, routed);
    auto make = [record, routed, alias = self->alias, loopback = self->routes_loopback()] {
        turn_routing_on(routed);
        make_device(*record, alias, {}, loopback);
    };
    co_await async::run_blocking(std::move(make));
}

/// On networks whose bridge is the host's own that is as it should be.
void warn_of_overlaps(NetworkPlan& plan, const Host& host) {
    if (!plan.record.is_bridge() || !plan.record.is_interface_ours) return;
    for (const NetworkSubnet& subnet : plan.record.subnets)
        for (const net::Prefix& route : host.routes)
            if (subnet.is_configured && route.length > 0 && route.overlaps(subnet.subnet))
                plan.warning = fmt::format("subnet {} overlaps with {}, to which this host has a route",
                                           subnet.subnet.text(), route.text());
}

/// The row is gone, or about to be: what fails stays until the daemon's next start.
Task<void> unmake_kernel_parts(Networks::State::Pointer self, std::shared_ptr<const NetworkRecord> record,
                               std::vector<net::IpAddress> virtual_addresses) {
    if (record->is_config_only) co_return;
    std::string failure;
    try {
        if (record->is_bridge()) {
            net::FirewallChange change;
            change.removed_bridges.push_back(record->interface);
            change.removed_addresses = std::move(virtual_addresses);
            co_await self->with.firewall.apply(std::move(change));
        }
        // macvlan networks may share a parent.
        bool is_shared = std::ranges::any_of(self->records(), [&](const NetworkRecord* other) {
            return other->id != record->id && other->interface == record->interface;
        });
        if (record->is_interface_ours && !is_shared) {
            auto remove = [name = record->interface, alias = self->alias] {
                // Not another's that took the name while ours was away.
                if (owner_of_device(net::list_links(), name, alias) == DeviceOwner::us)
                    net::remove_link(name);
            };
            co_await async::run_blocking(std::move(remove));
        }
    } catch (const std::exception& error) {
        failure = error.what();
    }
    if (!failure.empty())
        log::warning("{} of network {} stays until the daemon's next start: {}", record->interface,
                     record->name, failure);
}

bool uses_configuration(const NetworkRecord* network, const NetworkRecord& configuration) {
    return network->config_from == configuration.name;
}

std::string endpoint_list(const std::map<std::string, NetworkMember>& members) {
    std::vector<std::string> list;
    for (const auto& [container, member] : members)
        list.push_back(
            fmt::format("name:{} id:{}", quote(member.container_name), quote(container.substr(0, kShortId))));
    return join(list, ", ");
}

void check_removable(const Networks::State::Entry& entry, const std::vector<const NetworkRecord*>& all) {
    const NetworkRecord& record = *entry.record;
    if (record.is_builtin)
        throw make_error(ErrorKind::forbidden, "{} is a pre-defined network and cannot be removed",
                         record.name);
    if (record.is_config_only &&
        std::ranges::any_of(all, [&](const NetworkRecord* one) { return uses_configuration(one, record); }))
        throw make_error(ErrorKind::forbidden,
                         "error while removing network: configuration network {} is in use",
                         quote(record.name));
    if (entry.is_used())
        throw make_error(ErrorKind::forbidden,
                         "error while removing network: network {} has active endpoints ({})", record.name,
                         endpoint_list(entry.members));
}

}  // namespace

/// The row, then the device: what a kill leaves undone, recover() does.
Task<spec::api::NetworkCreateResponse> Networks::State::create(Pointer self,
                                                               spec::api::NetworkCreateRequest request) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    CreateContext context{.default_options = self->with.config.network.default_options,
                          .find_configuration = [&](const std::string& name) -> const NetworkRecord* {
                              auto id = self->ids.find(name);
                              if (id == self->ids.end()) return nullptr;
                              const NetworkRecord* found = self->entries.at(id->second).record.get();
                              return found->is_config_only ? found : nullptr;
                          }};
    NetworkPlan plan = plan_network(request, context);
    if (self->ids.contains(plan.record.name))
        throw make_error(ErrorKind::conflict, "network with name {} already exists", plan.record.name);
    plan.record.id = random_hex(kIdBytes);
    plan.record.created_ns = now_ns();
    std::optional<store::LockFile> lock;
    if (plan.needs_v4 || plan.needs_v6) lock = co_await async::run_blocking(lock_subnets);
    Host host = co_await async::run_blocking(read_host);
    name_device(plan.record);
    claim_device(plan.record, host, self->alias);
    choose_subnets(plan, self->pools, self->taken_subnets(), host);
    check_conflicts(plan.record, self->records());
    warn_of_overlaps(plan, host);

    std::string id = plan.record.id;
    StateDb::Work write = [id, name = plan.record.name, text = encode_network_record(plan.record)](
                              db::Database& database) { write_network_row(database, id, name, text); };
    co_await self->with.database.write(std::move(write));
    std::shared_ptr<const NetworkRecord> record = self->add(std::move(plan.record)).record;
    std::exception_ptr failure;
    try {
        co_await make_kernel_parts(self, record);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        self->drop(id);
        StateDb::Work erase = [id](db::Database& database) { erase_rows(database, id); };
        co_await self->with.database.write(std::move(erase));
        co_await unmake_kernel_parts(self, record, {});
        std::rethrow_exception(failure);
    }
    if (!record->is_config_only) self->publish("create", *record);
    spec::api::NetworkCreateResponse response;
    response.Id = std::move(id);
    response.Warning = std::move(plan.warning);
    co_return response;
}

/// The network's name; "" where `only_unused` and it is used or gone.
Task<std::string> Networks::State::remove(Pointer self, std::string reference, bool only_unused) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    Entry* entry = self->find(reference);
    if (only_unused && (!entry || entry->is_used())) co_return "";
    check_removable(self->get(reference), self->records());
    entry = &self->get(reference);
    std::shared_ptr<const NetworkRecord> record = entry->record;
    std::vector<net::IpAddress> virtual_addresses = entry->virtual_addresses();
    // From here on nobody joins it.
    self->ids.erase(record->name);
    auto removed = self->entries.extract(record->id);
    std::exception_ptr failure;
    try {
        StateDb::Work erase = [id = record->id](db::Database& database) { erase_rows(database, id); };
        co_await self->with.database.write(std::move(erase));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        self->ids[record->name] = record->id;
        self->entries.insert(std::move(removed));
        std::rethrow_exception(failure);
    }
    co_await unmake_kernel_parts(self, record, std::move(virtual_addresses));
    if (!record->is_config_only) self->publish("destroy", *record);
    co_return record->name;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
// Who has which address of a network: containers while they run, services for good.
#include <algorithm>
#include <exception>

#include "base/log.h"
#include "engine/networks/networks_state.h"
#include "engine/state/state_db.h"

namespace berth::engine {

using async::Task;
using net::Family;

namespace {

using Entry = Networks::State::Entry;

/// Docker's rules for addresses that are asked for.
void check_wanted(const NetworkRecord& network, const net::IpAddress& wanted) {
    if (!network.has_names())
        throw Error(ErrorKind::invalid_argument,
                    "user specified IP address is supported on user defined networks only");
    auto of_family = [&](const NetworkSubnet& subnet) {
        return subnet.is_configured && subnet.subnet.address.family == wanted.family;
    };
    if (std::ranges::none_of(network.subnets, of_family))
        throw Error(ErrorKind::invalid_argument,
                    "user specified IP address is supported only when connecting to networks with user "
                    "configured subnets");
    auto has_it = [&](const NetworkSubnet& subnet) { return subnet.subnet.contains(wanted); };
    if (std::ranges::none_of(network.subnets, has_it))
        throw make_error(ErrorKind::invalid_argument,
                         "no configured subnet or ip-range contain the IP address {}", wanted.text());
}

net::AddressPool* pool_of(Entry& entry, const net::IpAddress& address) {
    auto pool = std::ranges::find_if(
        entry.pools, [&](const net::AddressPool& one) { return one.subnet().contains(address); });
    return pool == entry.pools.end() ? nullptr : &*pool;
}

/// Of the first subnet of the family that has a free one. There is a subnet of the family.
net::Prefix take_any(Entry& entry, Family family) {
    std::exception_ptr failure;
    for (net::AddressPool& pool : entry.pools) {
        if (pool.subnet().address.family != family) continue;
        try {
            return {pool.take(std::nullopt, entry.record->name), pool.subnet().length};
        } catch (const Error&) {
            failure = std::current_exception();
        }
    }
    std::rethrow_exception(failure);
}

std::optional<net::Prefix> take_one(Entry& entry, Family family,
                                    const std::optional<net::IpAddress>& wanted) {
    if (wanted) {
        check_wanted(*entry.record, *wanted);
        net::AddressPool* pool = pool_of(entry, *wanted);
        return net::Prefix{pool->take(wanted, entry.record->name), pool->subnet().length};
    }
    bool has_pool = std::ranges::any_of(
        entry.pools, [&](const net::AddressPool& pool) { return pool.subnet().address.family == family; });
    if (!has_pool) return std::nullopt;
    return take_any(entry, family);
}

void give_back(Entry& entry, const std::optional<net::Prefix>& address) {
    if (!address) return;
    if (net::AddressPool* pool = pool_of(entry, address->address)) pool->release(address->address);
}

std::optional<net::IpAddress> gateway_for(const NetworkRecord& network,
                                          const std::optional<net::Prefix>& address) {
    if (!address || network.is_internal) return std::nullopt;
    for (const NetworkSubnet& subnet : network.subnets) {
        if (!subnet.subnet.contains(address->address)) continue;
        auto other =
            subnet.auxiliary.find(std::string(address->address.is_v4() ? kGatewayKey4 : kGatewayKey6));
        return other == subnet.auxiliary.end() ? subnet.gateway : std::optional(other->second);
    }
    return std::nullopt;
}

}  // namespace

AddressLease Networks::take_addresses(const NetworkRecord& network, std::optional<net::IpAddress> v4,
                                      std::optional<net::IpAddress> v6) {
    Entry& entry = state_->of(network);
    const NetworkRecord& record = *entry.record;
    if (record.is_config_only)
        throw make_error(ErrorKind::forbidden, "cannot create an endpoint on configuration-only network {}",
                         record.name);
    if (!entry.problem.empty())
        throw make_error(ErrorKind::unavailable, "network {} is not available: {}", record.name,
                         entry.problem);
    if (record.is_bridge()) state_->with.firewall.require();
    AddressLease lease;
    lease.v4 = take_one(entry, Family::v4, v4);
    try {
        lease.v6 = take_one(entry, Family::v6, v6);
    } catch (...) {
        give_back(entry, lease.v4);
        throw;
    }
    lease.gateway4 = gateway_for(record, lease.v4);
    lease.gateway6 = gateway_for(record, lease.v6);
    if (lease.v4 || lease.v6) entry.leases++;
    return lease;
}

AddressLease Networks::reserve(const NetworkRecord& network, const AddressLease& lease) {
    Entry& entry = state_->of(network);
    AddressLease own = lease;
    for (std::optional<net::Prefix>* address : {&own.v4, &own.v6}) {
        if (!*address) continue;
        net::AddressPool* pool = pool_of(entry, (*address)->address);
        if (pool != nullptr && pool->reserve((*address)->address)) continue;
        log::warning("network {}: the address {} of a running container is not free", network.name,
                     (*address)->address.text());
        address->reset();
    }
    if (own.v4 || own.v6) entry.leases++;
    return own;
}

void Networks::release(const NetworkRecord& network, const AddressLease& lease) {
    auto found = state_->entries.find(network.id);
    if (found == state_->entries.end()) return;
    give_back(found->second, lease.v4);
    give_back(found->second, lease.v6);
    if ((lease.v4 || lease.v6) && found->second.leases > 0) found->second.leases--;
}

Task<std::optional<net::IpAddress>> Networks::State::virtual_address(Pointer self, std::string network,
                                                                     std::string service) {
    auto found = self->entries.find(network);
    if (found == self->entries.end() || !found->second.record->is_bridge() || found->second.pools.empty())
        co_return std::nullopt;
    Entry& entry = found->second;
    if (auto known = entry.services.find(service); known != entry.services.end()) co_return known->second;
    net::Prefix taken = take_any(entry, entry.pools.front().subnet().address.family);
    entry.services.emplace(service, taken.address);
    std::exception_ptr failure;
    try {
        StateDb::Work write = [network, service, text = taken.address.text()](db::Database& database) {
            database.run(
                "INSERT OR REPLACE INTO virtual_addresses(network, service, address) VALUES(?, ?, ?)",
                network, service, text);
        };
        co_await self->with.database.write(std::move(write));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        if (auto still = self->entries.find(network); still != self->entries.end()) {
            still->second.services.erase(service);
            give_back(still->second, taken);
        }
        std::rethrow_exception(failure);
    }
    co_return taken.address;
}

/// False where there was none.
Task<bool> Networks::State::drop_virtual_address(Pointer self, std::string network, std::string service) {
    auto found = self->entries.find(network);
    if (found == self->entries.end() || !found->second.services.contains(service)) co_return false;
    net::IpAddress address = found->second.services.at(service);
    std::string bridge = found->second.record->interface;
    found->second.services.erase(service);
    StateDb::Work erase = [network, service](db::Database& database) {
        database.run("DELETE FROM virtual_addresses WHERE network = ? AND service = ?", network, service);
    };
    co_await self->with.database.write(std::move(erase));
    net::FirewallChange change;
    change.removed_addresses.push_back(address);
    co_await self->with.firewall.apply(std::move(change));
    auto remove = [bridge, address] { net::remove_address(bridge, address); };
    co_await async::run_blocking(std::move(remove));
    if (auto still = self->entries.find(network); still != self->entries.end())
        if (net::AddressPool* pool = pool_of(still->second, address)) pool->release(address);
    co_return true;
}

}  // namespace berth::engine

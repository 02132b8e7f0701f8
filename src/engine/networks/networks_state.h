// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/database.h"
#include "engine/networks/bridges.h"
#include "engine/networks/networks.h"
#include "net/address_pools.h"

/// What Networks holds: shared by its files alone.
namespace berth::engine {

struct Networks::State : std::enable_shared_from_this<Networks::State> {
    using Pointer = std::shared_ptr<State>;

    struct Entry {
        std::shared_ptr<const NetworkRecord> record;
        std::vector<net::AddressPool> pools;           ///< of the record's subnets, in their order
        std::map<std::string, NetworkMember> members;  ///< by container
        std::map<std::string, net::IpAddress> services;
        size_t leases = 0;    ///< of containers, also of those that are about to join
        std::string problem;  ///< why its device is not there; "": it is

        bool is_used() const { return leases > 0 || !members.empty(); }
        std::vector<net::IpAddress> virtual_addresses() const;
    };

    explicit State(Dependencies dependencies);

    Dependencies with;
    const std::string tag, alias;
    const std::vector<net::PoolSetting> pools;
    /// Of the host's routing, those that it does for our sake alone (host_routing.h).
    std::vector<net::Family> routed_for_us;
    bool has_rules = false;  ///< of the firewall
    /// Whoever makes or removes: one at a time.
    async::Semaphore changes;
    std::map<std::string, Entry> entries;    ///< by id
    std::map<std::string, std::string> ids;  ///< by name

    Entry* find(std::string_view reference);
    /// Throws not_found, or invalid_argument where several have the prefix.
    Entry& get(std::string_view reference);
    Entry& of(const NetworkRecord& record);
    /// With pools whose gateways and auxiliary addresses are taken.
    Entry& add(NetworkRecord record);
    void drop(const std::string& id);
    std::vector<const NetworkRecord*> records() const;
    std::vector<net::Prefix> taken_subnets() const;
    /// Families in which the host has to route packets for these networks.
    std::vector<net::Family> needed_routing() const;
    /// Families in which the firewall lets it route for nobody else.
    std::vector<net::Family> closed_routing() const;
    /// Containers can't reach the host's own services there.
    bool routes_loopback() const { return has_rules && with.config.network.iptables; }
    void publish(std::string action, const NetworkRecord& record,
                 std::map<std::string, std::string> more = {});

    static async::Task<void> recover(Pointer self);
    static async::Task<void> open(Pointer self, bool has_rules);
    static async::Task<spec::api::NetworkCreateResponse> create(Pointer self,
                                                                spec::api::NetworkCreateRequest request);
    static async::Task<std::string> remove(Pointer self, std::string reference, bool only_unused);
    static async::Task<std::vector<std::string>> prune(Pointer self, spec::api::Filters filters);
    static async::Task<std::optional<net::IpAddress>> virtual_address(Pointer self, std::string network,
                                                                      std::string service);
    static async::Task<bool> drop_virtual_address(Pointer self, std::string network, std::string service);
};

/// INSERT or UPDATE of a network's row.
void write_network_row(db::Database& database, const std::string& id, const std::string& name,
                       const std::string& text);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/context.h"
#include "engine/config/daemon_config.h"
#include "engine/networks/network_record.h"
#include "net/address_pools.h"
#include "net/firewall.h"
#include "spec/api/filters.h"
#include "spec/api/network_views.h"

/// The service of networks: their records, bridges, addresses and members. Belongs to the control context.
/// Whoever makes endpoints is sandboxes.h. docs/networking.md has states and what happens at kill -9.
namespace berth::engine {

class Events;
class StateDb;

/// An endpoint as its network knows it. Only of containers that run.
struct NetworkMember {
    std::string container_id, container_name, endpoint_id;
    std::string service;  ///< project + "/" + service, or ""
    net::MacAddress mac;
    std::optional<net::Prefix> v4, v6;
};

struct AddressLease {
    std::optional<net::Prefix> v4, v6;  ///< with the subnet's length
    std::optional<net::IpAddress> gateway4, gateway6;
};

class Networks {
  public:
    struct Dependencies {
        async::Context& control;
        const DaemonConfig& config;
        StateDb& database;
        Events& events;
        net::Firewall& firewall;
    };
    explicit Networks(Dependencies dependencies);
    ~Networks();

    /// At the daemon's start, before containers are recovered: reads the records, makes the default networks
    /// (its bridge chosen or as --bip says) and every bridge that is missing, removes bridges of ours that no
    /// record names (interface alias). A bridge that can't be made is logged; its containers' starts fail.
    async::Task<void> recover();
    /// The rules of all networks, for Firewall::start.
    net::FirewallChange rules() const;
    /// Then, with what is safe only behind those rules: the host begins to route packets, if it did not, and
    /// leads 127.0.0.1 to the bridges. Without them (`has_rules`: Firewall::start came back) it does neither.
    async::Task<void> open(bool has_rules);
    /// The daemon ends, and no container runs: bridges of ours go.
    async::Task<void> remove_bridges();

    async::Task<spec::api::NetworkCreateResponse> create(spec::api::NetworkCreateRequest request);
    /// forbidden for the daemon's own and for networks with endpoints, Docker's texts.
    async::Task<void> remove(std::string reference);
    async::Task<std::vector<std::string>> prune(spec::api::Filters filters);
    spec::api::Network inspect(std::string_view reference) const;  ///< with members
    std::vector<spec::api::Network> list(const spec::api::Filters& filters) const;

    /// By name, full id or a unique prefix of the id; not_found "network x not found"; invalid_argument where
    /// several have the prefix.
    std::shared_ptr<const NetworkRecord> get(std::string_view reference) const;
    std::shared_ptr<const NetworkRecord> find(std::string_view reference) const;  ///< null: none, or several
    std::shared_ptr<const NetworkRecord> default_bridge() const;                  ///< null: --bridge=none

    /// Throws as AddressPool::take; invalid_argument in Docker's words where an address is asked for that is
    /// in none of the network's subnets, or of a network whose subnets were not configured by the user;
    /// unavailable where the network's bridge could not be made, or has no packet rules; forbidden for a
    /// configuration-only network. Without gateways where the network is internal: there is no way out. What
    /// was taken keeps the network from being removed.
    AddressLease take_addresses(const NetworkRecord& network, std::optional<net::IpAddress> v4,
                                std::optional<net::IpAddress> v6);
    /// After a restart: what a living container has. What of it was free is the container's now, and to be
    /// released; what was not is given back empty (and logged).
    AddressLease reserve(const NetworkRecord& network, const AddressLease& lease);
    void release(const NetworkRecord& network, const AddressLease& lease);

    /// Publishes the events `connect` (not for what was there before a restart: `is_news`) and `disconnect`.
    void joined(const NetworkRecord& network, NetworkMember member, bool is_news = true);
    void left(const NetworkRecord& network, const std::string& container_id);
    /// A container that does not run is not configured for it any more: the event alone, as dockerd (which
    /// has none where such a container is connected).
    void disconnected(const NetworkRecord& network, const std::string& container_id);
    void renamed(const std::string& container_id, const std::string& name);
    std::vector<NetworkMember> members(const std::string& network_id) const;
    /// Whether a stopped container is configured for the network does not keep it from being removed, as with
    /// Docker.

    /// The stable address of a service on a network: taken at the first call, kept in StateDb, given back by
    /// drop_virtual_address or with the network. Bridge networks only; nothing on others. The caller puts it
    /// on the bridge (recover() does after a restart); dropping takes it away.
    async::Task<std::optional<net::IpAddress>> virtual_address(const NetworkRecord& network,
                                                               std::string service);
    async::Task<void> drop_virtual_address(const NetworkRecord& network, std::string service);

    struct State;  ///< networks_state.h

  private:
    std::shared_ptr<State> state_;
};

/// What a daemon calls its own on the machine: 8 hex digits of its exec root's digest, in the names of its
/// nftables table, cgroup and interfaces.
std::string machine_tag(const DaemonConfig& config);

}  // namespace berth::engine

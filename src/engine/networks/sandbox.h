// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/networks/sandboxes.h"
#include "engine/networks/service_ports.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/sockets.h"

/// What the parts of Sandboxes share. Nobody else includes it.
namespace berth::engine {

/// Another container that this one knows by a name of its own.
struct SandboxLink {
    std::string network_id, container_id, alias;
};

class LiveSandbox final : public Sandbox {
  public:
    std::string namespace_path() const override;
    int netns() const override { return namespace_fd.get(); }
    SandboxRecord& record_to_change() { return record_; }

    /// Of the container, as far as it is needed after the start.
    std::string container_name, bundle;
    std::vector<std::string> dns_servers;
    std::vector<SandboxLink> links;
    std::vector<std::pair<net::Protocol, uint16_t>> exposed;
    /// Those of `exposed` that are published, whether a host port leads there or not.
    std::vector<std::pair<net::Protocol, uint16_t>> published;
    std::optional<ServiceSettings> service;
    bool has_health_check = false;

    UniqueFd namespace_fd;
    bool is_namespace_ours = false;
    /// The pair that was born with the namespace; "": none, or an endpoint has it.
    std::string prepared_host_interface, prepared_interface;
    /// Networks and leases, in the order of the record's endpoints.
    struct Place {
        std::shared_ptr<const NetworkRecord> network;
        AddressLease lease;
        AddressLease own;  ///< what of it is to be released: all, unless another had it at a restart
        spec::api::EndpointSettings settings;
        bool is_stray = false;  ///< the container's record doesn't have it
    };
    std::vector<Place> places;
    net::DnsSockets to_park;
    net::DnsSockets kept;  ///< of the daemon before, until names are known
    /// After a restart: in networks that are gone; removed once the namespace is there.
    std::vector<std::string> lost_interfaces;
    bool is_adopted = false;  ///< its shim has answered
    std::vector<net::LinkRule> link_rules;
    bool is_connected = false;  ///< others have heard of it
    bool is_closed = false;
};
using LivePointer = std::shared_ptr<LiveSandbox>;

struct Sandboxes::State : std::enable_shared_from_this<Sandboxes::State> {
    explicit State(Dependencies dependencies);

    Dependencies services;
    net::NamespacePool pool;
    net::PortTable port_table;
    std::map<std::string, LivePointer> live;  ///< by container
    /// Endpoint ids of containers in the networks host and none.
    std::map<std::string, std::string> plain;
    bool are_names_known = false;  ///< of all that run, after a restart
    bool is_restored = false;      ///< the firewall has started
    async::Event restored;         ///< the same, for those who wait
    bool has_ipv6;                 ///< the kernel
};
using SandboxesPointer = std::shared_ptr<Sandboxes::State>;

/// What it throws is logged: the steps after it are taken all the same.
async::Task<void> attempt(std::string what, async::Task<void> step);

// --- endpoints (sandbox_endpoints.cpp)

/// Takes addresses and makes the endpoint; it is in the record then. Throws as Networks::take_addresses.
void add_place(Sandboxes::State& state, LiveSandbox& sandbox, const ContainerRecord& container,
               const WantedEndpoint& wanted);
/// add_place(), with addresses of services that don't run where there are no others (sandboxes.cpp).
async::Task<void> join_network(SandboxesPointer state, LivePointer sandbox, const ContainerRecord& container,
                               const WantedEndpoint& wanted);
/// Gives the addresses of the endpoint back, and forgets it.
void drop_place(Sandboxes::State& state, LiveSandbox& sandbox, size_t index);
/// Names, name servers, links, exposed ports.
void take_settings(Sandboxes::State& state, LiveSandbox& sandbox, const ContainerRecord& container);
std::vector<std::string> endpoint_names(const ContainerRecord& container, const NetworkRecord& network,
                                        const spec::api::EndpointSettings& settings);

/// Indexes of the endpoints with the default routes; none where no network has a way out.
struct Gateways {
    std::optional<size_t> v4, v6;
    bool operator==(const Gateways&) const = default;
};
Gateways choose_gateways(const LiveSandbox& sandbox);
std::optional<net::IpAddress> address_of(const LiveSandbox& sandbox, std::optional<size_t> place,
                                         net::Family family);

// --- ports (sandbox_ports.cpp)

/// Chooses and holds host ports; they are in the record then. Nothing is left where it throws.
async::Task<void> publish_ports(SandboxesPointer state, LivePointer sandbox,
                                const ContainerRecord& container);
/// Where the published ports lead now.
std::vector<net::PortRule> port_rules(const LiveSandbox& sandbox);
/// Those of routed networks, which are open at the container's own address.
std::vector<net::PortRule> open_ports(const LiveSandbox& sandbox);
/// The container's other bridges, whose clients come to its published ports by the host's address.
std::vector<net::LegRule> leg_rules(const LiveSandbox& sandbox);
std::vector<net::HeldPort> held_ports(const LiveSandbox& sandbox);
/// What the kernel remembers of published UDP ports: a sender that was there before a change must not go past
/// it.
std::vector<net::FlowFilter> datagram_flows(const LiveSandbox& sandbox);
/// One call for all of a change: it costs 10 ms where there is any flow.
async::Task<void> drop_flows(std::vector<net::FlowFilter> filters);
/// After a restart.
void retake_ports(Sandboxes::State& state, LiveSandbox& sandbox);
/// Gives all of them back, and what of them is held.
async::Task<void> release_ports(SandboxesPointer state, LivePointer sandbox, std::vector<net::HeldPort> held);

// --- rules and names (sandbox_connect.cpp)

net::EndpointSpec endpoint_spec(const LiveSandbox& sandbox, size_t index, const Gateways& gateways);
/// What the firewall knows of the sandbox, its service's ports left out.
net::FirewallChange rules_of(const LiveSandbox& sandbox);
/// From `before` to what holds now.
net::FirewallChange difference(const net::FirewallChange& before, const net::FirewallChange& now);
net::DnsClient dns_client(const Sandboxes::State& state, const LiveSandbox& sandbox);
net::DnsEndpoint dns_endpoint(const LiveSandbox& sandbox, size_t index);
ServiceMember service_member(const LiveSandbox& sandbox);
NetworkMember network_member(const LiveSandbox& sandbox, size_t index);
/// Sockets in the namespace and the redirection to them; duplicates are in `to_park`.
async::Task<void> open_dns(SandboxesPointer state, LivePointer sandbox);
/// The container's own names and link rules, and those of who is linked to it, follow its addresses.
async::Task<void> update_links(SandboxesPointer state, LivePointer changed);
/// Rules between linked containers where a bridge keeps containers apart.
std::vector<net::LinkRule> wanted_link_rules(const Sandboxes::State& state, const LiveSandbox& sandbox);

}  // namespace berth::engine

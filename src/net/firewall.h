// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "async/context.h"
#include "net/address.h"

/// The daemon's packet rules: one nftables table, `inet berth-<tag>` (and `bridge berth-<tag>` while a
/// network forbids its containers to talk to each other), made of maps and sets. A published port or a
/// container is a set element, not a rule; a service port is one small chain that is replaced atomically.
/// docs/networking.md draws the path of a packet.
///
/// Administrators' own rules go into the chain `forward` of the table `inet berth-user`: a base chain at the
/// hook forward that packets pass before ours (priority filter - 10). It is made where it is missing and
/// never changed or flushed, so what is in it survives restarts of the daemon and every re-application; it
/// can stand in /etc/nftables.conf. `drop` there is final. To let through what ours would drop (a host that
/// routes to a container's address), set the mark of --bridge-accept-fwmark there. Addresses are seen after
/// translation; the published port is `ct original proto-dst`:
///
///   nft add rule inet berth-user forward tcp dport 80 ct original proto-dst 8080 ip saddr != 10.0.0.0/8 drop
namespace berth::net {

/// A bridge whose traffic is ours.
struct BridgeRules {
    std::string bridge;
    std::vector<Prefix> subnets;
    bool is_internal = false;  ///< no way in or out but the host's own bridge address
    bool masquerade4 = true, masquerade6 = false;
    bool inter_container = true;  ///< false: its ports (below) reach each other by LinkRules alone
    /// Published ports are reached at the containers' own addresses too, by who routes to them
    /// (--allow-direct-routing, gateway_mode routed).
    bool direct_routing = false;
    std::vector<std::string> trusted_interfaces;  ///< the same for packets that come in by these
    bool unprotected = false;                     ///< all ports are (gateway_mode nat-unprotected)
    bool operator==(const BridgeRules&) const = default;
};

struct PortRule {
    Protocol protocol = Protocol::tcp;
    IpAddress host_address;  ///< unspecified: every address of the host
    uint16_t host_port = 0;  ///< 0: open for direct routing alone
    IpAddress to;            ///< of the same family
    uint16_t to_port = 0;
    auto operator<=>(const PortRule&) const = default;
};

enum class Balance { round_robin, source, random };

/// What answers at a published port that several containers share. Without targets connections are refused.
struct ServiceRule {
    Protocol protocol = Protocol::tcp;
    IpAddress host_address;
    uint16_t host_port = 0;
    Balance balance = Balance::round_robin;
    std::vector<std::pair<IpAddress, uint16_t>> targets;
    /// Those of `targets` (TCP) that are known to listen. Who is refused by one of them has met it in the
    /// moment of its end: the refusal is dropped, so that the client's TCP tries again after a second, and
    /// comes to another target.
    std::vector<std::pair<IpAddress, uint16_t>> listening;
};
/// A service's address on its network, for who is on it and for the host itself: all ports, all protocols.
/// The network is that of the bridge whose subnet has it. Without targets connections are refused.
struct VirtualAddress {
    IpAddress address;
    Balance balance = Balance::round_robin;
    std::vector<IpAddress> targets;
};

/// On a bridge without inter-container traffic: `from` may reach the port of `to`, and back.
struct LinkRule {
    IpAddress from, to;
    Protocol protocol = Protocol::tcp;
    uint16_t port = 0;
    auto operator<=>(const LinkRule&) const = default;
};

/// The container that has `address`, to which ports are published, is on `bridge` too (another one than the
/// address's): clients there that come by the host's address are masqueraded, since its answers would go to
/// them directly, past the translation.
struct LegRule {
    std::string bridge;
    IpAddress address;
    auto operator<=>(const LegRule&) const = default;
};

/// The port holder takes connections to this port itself and passes them on, so they come from the host. Who
/// is on an internal network must not get out by it.
struct SplicedPort {
    Protocol protocol = Protocol::tcp;
    uint16_t port = 0;
    std::string of;  ///< the container: of those that share a port the last one takes it away
    auto operator<=>(const SplicedPort&) const = default;
};

/// One atomic change. What is set replaces what has the same key (bridge, port, address); removing what is
/// not there is fine. A port is removed only while it still leads to what `removed_ports` says (or where that
/// says nothing: `to` unspecified), so that who comes late takes nothing from who has it now.
struct FirewallChange {
    std::vector<BridgeRules> bridges;
    std::vector<std::string> removed_bridges;
    std::vector<PortRule> ports, removed_ports;
    std::vector<ServiceRule> services, removed_services;  ///< of removed ones only the key counts
    std::vector<VirtualAddress> addresses;
    std::vector<IpAddress> removed_addresses;
    std::vector<LinkRule> links, removed_links;
    std::vector<LegRule> legs, removed_legs;
    std::vector<SplicedPort> spliced, removed_spliced;
    /// The host routes packets of these families for our sake alone: it does so for no others. They stay
    /// closed until the next start(). Bridges of others count as theirs to decide about (other engines,
    /// hypervisors).
    std::vector<Family> closed;
    /// Host interfaces of containers on bridges without inter-container traffic.
    std::vector<std::string> separated, unseparated;
    bool is_empty() const;
};

/// Belongs to the control context. libnftables is opened at run time (docs/dependencies.md); its calls run on
/// a thread of their own, in order, several waiting changes in one transaction.
class Firewall {
  public:
    struct Options {
        std::string tag;  ///< 8 hex digits; of the table's name and of marks on rules elsewhere
        bool enable4 = true, enable6 = true;  ///< --iptables, --ip6tables
        /// In chains of others that drop what is forwarded (ufw, firewalld, Docker) one tagged rule accepts
        /// our bridges.
        bool accept_in_others = true;
        std::string accept_fwmark;  ///< "mark/mask": such packets pass; "": none
    };
    Firewall(async::Context& context, Options options);
    ~Firewall();

    /// Replaces whatever the table holds by `all`, in one transaction, then watches: a table that somebody
    /// flushes or deletes is restored. Throws unavailable with what to install or load where there is no
    /// nftables.
    async::Task<void> start(FirewallChange all);
    /// Throws unavailable, with why, where start() failed: nothing keeps containers apart then, nor others
    /// from them.
    void require() const;
    /// Returns when the kernel has it. What throws has changed nothing.
    async::Task<void> apply(FirewallChange change);
    /// Ends the watch. The table and what is in others' chains go with `remove_table`; else they stay, since
    /// containers go on.
    async::Task<void> stop(bool remove_table);

    /// For `berth doctor` and /info: each other forward chain that drops, and whether our rule is there.
    struct OtherChain {
        std::string family, table, chain;
        bool is_accepted = false;
    };
    async::Task<std::vector<OtherChain>> other_chains();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

/// In a container's namespace: what is sent to 127.0.0.11 port 53 goes to the DNS server's ports there (on
/// 127.0.0.11), and the answers come from port 53. Again, with other ports: replaces. Blocking (0.2 ms).
void redirect_dns(int netns, uint16_t udp_port, uint16_t tcp_port);

}  // namespace berth::net

// SPDX-License-Identifier: Apache-2.0
// The fixed part of the tables, and changes of the rest.
#include "base/error.h"
#include "net/firewall_text.h"

namespace berth::net {
namespace {

constexpr const char* kSets = R"(
	set bridges { type ifname; }
	set same { type ifname . ifname; }
	set internal { type ifname; }
	set closed { type ifname; }
	set direct { type ifname; }
	set trusted { type ifname . ifname; }
	set unprotected { type ifname; }
	set published4 { type ipv4_addr . inet_proto . inet_service; }
	set published6 { type ipv6_addr . inet_proto . inet_service; }
	set listening4 { type ipv4_addr . inet_service; }
	set listening6 { type ipv6_addr . inet_service; }
	set subnets4 { type ipv4_addr; flags interval; }
	set subnets6 { type ipv6_addr; flags interval; }
	set spliced { type inet_proto . inet_service; }
	set closed_families { type nf_proto; }
	set own4 { type ifname . ipv4_addr; flags interval; }
	set own6 { type ifname . ipv6_addr; flags interval; }
	set links4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
	set links6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; }
	set masquerade4 { type ipv4_addr; flags interval; }
	set masquerade6 { type ipv6_addr; flags interval; }
	set legs4 { type ifname . ipv4_addr; }
	set legs6 { type ifname . ipv6_addr; }
	map virtual4 { type ifname . ipv4_addr : verdict; }
	map virtual6 { type ifname . ipv6_addr : verdict; }
	map services4 { type ipv4_addr . inet_proto . inet_service : verdict; }
	map services6 { type ipv6_addr . inet_proto . inet_service : verdict; }
	map any_services4 { type inet_proto . inet_service : verdict; }
	map any_services6 { type inet_proto . inet_service : verdict; }
	map ports4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
	map ports6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
	map any_ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
	map any_ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
)";

// A line "@families" stands for the rules that let packets of a family pass that is not ours to handle.
//
// raw: packets to 127.0.0.0/8 that come by a wire would be translated before the kernel looks whether they
// are martians (CVE-2020-8558); our bridges have route_localnet, so packets from there must not say that they
// come from it. Nor may they, or anybody outside, say that they come from a container on another bridge: the
// host would route them back to who sent them, and take what he sends to that container for the answers of a
// connection. A network may have a subnet of the LAN's: who has a route there is believed.
//
// refusals: of a service's target that listens, so it has ended in this moment. The kernel has forgotten the
// connection with this answer, which is dropped before it is translated back: the client's TCP sends its SYN
// again after a second, and comes to another target.
//
// prerouting, output: the refusal that a chain without targets sends is related to a connection, not
// translated yet, and may have its address: it must not be refused itself. [::1] can't leave lo, the port
// holder passes its connections on.
//
// after_publish: see the bridge family's table.
//
// into, out_of: what is known of connections comes after the rules of internal networks: no trick with it
// opens these. Nobody who is outside reaches a container's address without a published port, whatever routes
// he has (moby#45610). Between two of our bridges nothing but published ports.
//
// strangers: the host was no router before. Bridges of others are left to who made them.
//
// input: internal networks don't get out by what the port holder passes on. Of the host they have one
// address, the bridge's: `fib daddr . iif` is "unicast" for those of its other interfaces.
//
// published: nft's own words for protocols; it looks others up in /etc/protocols, which some machines lack.
//
// postrouting: a client on the container's own bridge is known by its address, not by the interface it came
// in by, which br_netfilter hides there.
//
// With br_netfilter (sysctl net.bridge.bridge-nf-call-iptables; Docker and Kubernetes load it) frames between
// two ports of a bridge pass prerouting, forward and postrouting too, with the bridge as both interfaces; and
// what is translated to an address on the same bridge is bridged, not routed.
constexpr const char* kChains = R"(
	chain raw {
		type filter hook prerouting priority raw; policy accept;
@families
		iifname != "lo" ip daddr 127.0.0.0/8 drop
		iifname != "lo" ip6 daddr ::1 drop
		iifname @bridges ip saddr 127.0.0.0/8 drop
		iifname != "lo" ip saddr @subnets4 iifname . ip saddr != @own4 fib saddr . iif oif missing drop
		iifname != "lo" ip6 saddr @subnets6 iifname . ip6 saddr != @own6 fib saddr . iif oif missing drop
	}
	chain refusals {
		type filter hook prerouting priority mangle; policy accept;
@families
		tcp flags & (rst | ack) == rst | ack iifname @bridges ct status & (dnat | assured) == dnat goto refused
	}
	chain refused {
		ip saddr . tcp sport @listening4 drop
		ip6 saddr . tcp sport @listening6 drop
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
@families
		ct direction reply return
		iifname . ip daddr vmap @virtual4
		iifname . ip6 daddr vmap @virtual6
		fib daddr type local meta nfproto vmap { ipv4 : goto publish4, ipv6 : goto publish6 }
	}
	chain output {
		type nat hook output priority -100; policy accept;
@families
		ct direction reply return
		ip6 daddr ::1 return
		oifname . ip daddr vmap @virtual4
		oifname . ip6 daddr vmap @virtual6
		fib daddr type local meta nfproto vmap { ipv4 : goto publish4, ipv6 : goto publish6 }
	}
	chain after_publish {
		type filter hook prerouting priority -90; policy accept;
@families
		iifname @closed ct status dnat iifname . ip daddr @own4 meta mark set meta mark or @transit
		iifname @closed ct status dnat iifname . ip6 daddr @own6 meta mark set meta mark or @transit
	}
	chain publish4 {
		ip daddr . meta l4proto . th dport vmap @services4
		dnat ip to ip daddr . meta l4proto . th dport map @ports4
		meta l4proto . th dport vmap @any_services4
		dnat ip to meta l4proto . th dport map @any_ports4
	}
	chain publish6 {
		ip6 daddr . meta l4proto . th dport vmap @services6
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6
		meta l4proto . th dport vmap @any_services6
		dnat ip6 to meta l4proto . th dport map @any_ports6
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
@families
		oifname @bridges goto into
		iifname @bridges goto out_of
		meta nfproto @closed_families goto strangers
	}
	chain into {
@mark
		iifname . oifname @same goto same_bridge
		iifname @internal drop
		oifname @internal drop
		ct state vmap { established : accept, related : accept }
		ct state invalid oifname != @direct oifname != @unprotected drop
		ct status dnat accept
		iifname @bridges drop
		oifname @unprotected accept
		oifname @direct goto published
		iifname . oifname @trusted goto published
		drop
	}
	chain published {
		ip daddr . meta l4proto . th dport @published4 accept
		ip6 daddr . meta l4proto . th dport @published6 accept
		meta l4proto { icmp, icmpv6 } accept
		drop
	}
	chain same_bridge {
		ct state vmap { established : accept, related : accept }
		ct status dnat accept
		iifname != @closed accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ip saddr . ip daddr . meta l4proto . th dport @links4 accept
		ip6 saddr . ip6 daddr . meta l4proto . th dport @links6 accept
		drop
	}
	chain out_of {
@mark
		iifname @internal drop
		ct state vmap { established : accept, related : accept }
		ct state invalid iifname != @direct iifname != @unprotected drop
	}
	chain strangers {
@mark
		meta iifkind "bridge" accept
		meta oifkind "bridge" accept
		drop
	}
	chain input {
		type filter hook input priority filter; policy accept;
@families
		iifname @internal meta l4proto . th dport @spliced drop
		iifname @internal ct state new fib daddr . iif type unicast drop
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
@families
		oifname "lo" return
		oifname != @bridges ip saddr @masquerade4 masquerade
		oifname != @bridges ip6 saddr @masquerade6 masquerade
		oifname @bridges ip saddr 127.0.0.0/8 masquerade
		ct status dnat oifname . ip saddr @own4 masquerade
		ct status dnat oifname . ip6 saddr @own6 masquerade
		ct status dnat iifname . ip daddr @legs4 masquerade
		ct status dnat iifname . ip6 daddr @legs6 masquerade
	}
)";

/// On packets in the midst of the host, from a bridge without inter-container traffic back to it by a
/// published port: where br_netfilter bridges them, the bridge family's table has to know them again.
constexpr const char* kTransitMark = "0x40000000";

// Without conntrack, which not every kernel has for bridges: answers are known by their source port, as in
// Docker's rules for links.
constexpr const char* kBridgeTable = R"(
	set separated { type ifname; }
	set links4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
	set links6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; }
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname @separated oifname @separated goto links
	}
	chain links {
		ether type arp accept
		meta mark & @transit != 0 accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ip saddr . ip daddr . meta l4proto . th dport @links4 accept
		ip daddr . ip saddr . meta l4proto . th sport @links4 accept
		ip6 saddr . ip6 daddr . meta l4proto . th dport @links6 accept
		ip6 daddr . ip6 saddr . meta l4proto . th sport @links6 accept
		drop
	}
)";

std::string replaced(std::string text, std::string_view what, const std::string& with) {
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
        text.replace(at, what.size(), with);
    return text;
}

std::string element_text(const std::string& key, const std::string& data) {
    return data.empty() ? key : key + " : " + data;
}

/// One command for each set; `verb`: add, delete.
std::string element_commands(const char* verb, const std::string& table, bool in_bridge_family,
                             const TableParts& parts) {
    std::string text;
    std::string open;
    for (const auto& [element, data] : parts.elements) {
        if (element.in_bridge_family != in_bridge_family) continue;
        if (element.set != open) {
            if (!open.empty()) text += " }\n";
            open = element.set;
            text += fmt::format("{} element {} {} {{ ", verb, table, open);
        } else {
            text += ", ";
        }
        text += element_text(element.key, data);
    }
    if (!open.empty()) text += " }\n";
    return text;
}

std::string family_and_table(const std::string& tag, bool in_bridge_family) {
    return (in_bridge_family ? "bridge " : "inet ") + table_name(tag);
}

std::string rule_commands(const std::string& table, const std::string& chain, std::string_view rules) {
    std::string text;
    while (!rules.empty()) {
        size_t end = rules.find('\n');
        text += fmt::format("add rule {} {} {}\n", table, chain, rules.substr(0, end));
        rules.remove_prefix(end + 1);
    }
    return text;
}

std::string chain_changes(const std::string& table, const TableParts& before, const TableParts& after) {
    std::string text;
    for (const auto& [chain, rules] : after.chains) {
        auto old = before.chains.find(chain);
        if (old != before.chains.end() && old->second == rules) continue;
        text += fmt::format("{} chain {} {}\n", old == before.chains.end() ? "add" : "flush", table, chain);
        text += rule_commands(table, chain, rules);
    }
    return text;
}

}  // namespace

std::string table_name(const std::string& tag) {
    return "berth-" + tag;
}

std::string table_text(const Firewall::Options& options, const TableParts& parts) {
    std::string pass;
    if (!options.enable4) pass += "\t\tmeta nfproto ipv4 return\n";
    if (!options.enable6) pass += "\t\tmeta nfproto ipv6 return\n";
    std::string mark;
    if (!options.accept_fwmark.empty()) mark = "\t\t" + mark_match(options.accept_fwmark) + " accept\n";
    std::string chains = replaced(replaced(kChains, "@families\n", pass), "@mark\n", mark);
    chains = replaced(chains, "@transit", kTransitMark);
    std::string table = family_and_table(options.tag, false);
    std::string text =
        fmt::format("add table {0}\ndelete table {0}\ntable {0} {{{1}{2}}}\n", table, kSets, chains);
    text += chain_changes(table, {}, parts);
    return text + element_commands("add", table, false, parts);
}

std::string bridge_table_text(const std::string& tag, const TableParts& parts) {
    std::string table = family_and_table(tag, true);
    return fmt::format("add table {0}\ndelete table {0}\ntable {0} {{{1}}}\n", table,
                       replaced(kBridgeTable, "@transit", kTransitMark)) +
           element_commands("add", table, true, parts);
}

std::string change_text(const std::string& tag, bool in_bridge_family, const TableParts& before,
                        const TableParts& after) {
    std::string table = family_and_table(tag, in_bridge_family);
    TableParts going, coming;
    for (const auto& [element, data] : before.elements) {
        auto now = after.elements.find(element);
        if (element.in_bridge_family != in_bridge_family ||
            (now != after.elements.end() && now->second == data))
            continue;
        going.elements.emplace(element, data);
    }
    for (const auto& [element, data] : after.elements) {
        auto old = before.elements.find(element);
        if (old == before.elements.end() || old->second != data) coming.elements.emplace(element, data);
    }
    // Elements go before the chains that they lead to, and come after them.
    std::string text = element_commands("delete", table, in_bridge_family, going);
    if (!in_bridge_family) {
        for (const auto& [chain, rules] : before.chains) {
            if (!after.chains.contains(chain))
                text += fmt::format("flush chain {0} {1}\ndelete chain {0} {1}\n", table, chain);
        }
        text += chain_changes(table, before, after);
    }
    return text + element_commands("add", table, in_bridge_family, coming);
}

}  // namespace berth::net

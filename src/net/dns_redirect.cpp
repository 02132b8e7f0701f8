// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "net/firewall.h"
#include "net/namespace.h"
#include "net/nft_library.h"

namespace berth::net {
namespace {

// A table of its own: whatever a container does with iptables, its names stay. Ports are rewritten in both
// directions without connection tracking, which would cost each packet of the container: all of this stays on
// lo, where the two directions mirror each other.
constexpr const char* kTable = R"(table ip berth-dns {{
	chain output {{
		type filter hook output priority -310; policy accept;
		ip daddr 127.0.0.11 udp dport 53 udp dport set {0} notrack
		ip daddr 127.0.0.11 tcp dport 53 tcp dport set {1} notrack
		ip saddr 127.0.0.11 udp sport {0} udp sport set 53 notrack
		ip saddr 127.0.0.11 tcp sport {1} tcp sport set 53 notrack
	}}
}}
)";

}  // namespace

void redirect_dns(int netns, uint16_t udp_port, uint16_t tcp_port) {
    NamespaceScope scope(netns);
    NftContext nft;
    std::string table = fmt::format(kTable, udp_port, tcp_port);
    try {
        nft.run("create table ip berth-dns\n" + table);
    } catch (const Error&) {
        // One of before. Not deleted always: closing a netlink socket waits for deletions, for some 10 ms.
        nft.run("add table ip berth-dns\ndelete table ip berth-dns\n" + table);
    }
}

}  // namespace berth::net

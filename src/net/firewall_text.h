// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <map>
#include <string>

#include "net/firewall.h"

/// From what the firewall shall do to the text of nft(8) commands. Pure functions.
///
/// Each thing (a bridge, a published port, a service, …) contributes parts: elements of the table's sets and
/// maps, and chains of its own. The table is its fixed chains and the parts of all things; a change is the
/// difference of parts, before and after.
namespace berth::net {

struct TableElement {
    bool in_bridge_family = false;
    std::string set, key;
    auto operator<=>(const TableElement&) const = default;
};

struct TableParts {
    std::map<TableElement, std::string> elements;  ///< to what a map says of it; "" in sets
    std::map<std::string, std::string> chains;     ///< name to rules, one a line
    bool operator==(const TableParts&) const = default;
    void add(const TableParts& other);
};

/// Packets of families that are not enabled pass untouched.
struct Families {
    bool v4 = true, v6 = true;
    bool has(const IpAddress& address) const { return address.is_v4() ? v4 : v6; }
};

/// invalid_argument where a name can't stand in nft's text.
TableParts bridge_parts(const BridgeRules& bridge, Families families);
TableParts port_parts(const PortRule& port, Families families);
TableParts service_parts(const ServiceRule& service, Families families);
/// `bridge`: whose network it is on; "" while there is none, then only the host reaches it.
TableParts virtual_address_parts(const VirtualAddress& address, const std::string& bridge, Families families);
TableParts link_parts(const LinkRule& link, Families families);
TableParts leg_parts(const LegRule& leg, Families families);
TableParts spliced_parts(const SplicedPort& port);
TableParts closed_parts(Family family);
TableParts separated_parts(const std::string& host_interface);

/// "0x1/0xff", "1" as "meta mark & 0xff == 0x1". invalid_argument for anything else.
std::string mark_match(const std::string& accept_fwmark);

std::string table_name(const std::string& tag);
/// `inet berth-<tag>`, replacing the one that is there.
std::string table_text(const Firewall::Options& options, const TableParts& parts);
/// `bridge berth-<tag>`.
std::string bridge_table_text(const std::string& tag, const TableParts& parts);
/// Commands that lead from `before` to `after`, those for one of the two tables; "" where there is nothing to
/// do.
std::string change_text(const std::string& tag, bool in_bridge_family, const TableParts& before,
                        const TableParts& after);
/// A chain or interface name in quotes.
std::string quoted_name(const std::string& name);

}  // namespace berth::net

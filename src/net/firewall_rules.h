// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/firewall.h"
#include "net/firewall_text.h"

namespace berth::net {

/// All that the tables shall hold, in memory: it decides which commands a change needs, and is what a table
/// that was flushed is made from again. Nothing here asks the kernel.
class FirewallRules {
  public:
    explicit FirewallRules(Firewall::Options options);

    /// Takes the change in and gives the commands that bring the kernel there, in order. Until commit() or
    /// roll_back() several may follow each other. Where it throws nothing of this change was taken in.
    std::string take(const FirewallChange& change);
    /// With the commands of all that was taken since the last commit: for the bridge family's table, which is
    /// there only while something is in it.
    std::string take_bridge_table();
    void commit();
    void roll_back();

    /// Everything, replacing what is there. `has_bridge_table`: the kernel has one.
    std::string whole(bool has_bridge_table) const;
    std::vector<std::string> bridges() const;

  private:
    using Item = std::string;  ///< what a thing is known by: "port tcp 0.0.0.0 80"
    void set(const Item& item, TableParts parts, std::string& text) { replace(item, &parts, text); }
    void remove(const Item& item, std::string& text) { replace(item, nullptr, text); }
    void replace(const Item& item, TableParts* parts, std::string& text);
    /// Leaves out of both what something else wants too.
    void count_shared(TableParts& before, TableParts& after);
    void take_bridges(const FirewallChange& change, std::string& text);
    void take_ports(const FirewallChange& change, std::string& text);
    void take_addresses(const FirewallChange& change, std::string& text);
    void take_links(const FirewallChange& change, std::string& text);
    void take_host_paths(const FirewallChange& change, std::string& text);
    template <typename Map>
    void put(Map& map, const typename Map::key_type& key, std::optional<typename Map::mapped_type> value);
    std::string bridge_of(const IpAddress& address) const;
    void roll_back_to(size_t mark);
    TableParts all_parts() const;

    Firewall::Options options_;
    Families families_;
    std::map<Item, TableParts> items_;
    /// Several things may want the same element of a set.
    std::map<TableElement, size_t> wanted_;
    std::map<std::string, BridgeRules> bridges_;
    std::map<IpAddress, VirtualAddress> addresses_;
    /// What takes back each step since the last commit.
    std::vector<std::function<void()>> undo_;
    std::string bridge_table_changes_;
    size_t bridge_table_elements_ = 0, bridge_table_elements_before_ = 0;
};

}  // namespace berth::net

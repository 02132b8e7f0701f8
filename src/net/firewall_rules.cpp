// SPDX-License-Identifier: Apache-2.0
#include "net/firewall_rules.h"

#include <algorithm>

#include "base/error.h"

namespace berth::net {
namespace {

std::string port_item(std::string_view kind, Protocol protocol, const IpAddress& host, uint16_t port) {
    return fmt::format("{} {} {} {}", kind, to_string(protocol), host.text(), port);
}

std::string link_item(const LinkRule& link) {
    return fmt::format("link {} {} {} {}", link.from.text(), link.to.text(), to_string(link.protocol),
                       link.port);
}

size_t count_bridge_table_elements(const TableParts& parts) {
    return static_cast<size_t>(
        std::count_if(parts.elements.begin(), parts.elements.end(),
                      [](const auto& element) { return element.first.in_bridge_family; }));
}

}  // namespace

FirewallRules::FirewallRules(Firewall::Options options)
    : options_(std::move(options)), families_{options_.enable4, options_.enable6} {}

std::string FirewallRules::take(const FirewallChange& change) {
    std::string text;
    size_t mark = undo_.size();
    try {
        take_bridges(change, text);
        take_ports(change, text);
        take_addresses(change, text);
        take_links(change, text);
        take_host_paths(change, text);
    } catch (...) {
        roll_back_to(mark);
        throw;
    }
    return text;
}

std::string FirewallRules::take_bridge_table() {
    std::string table = "bridge " + table_name(options_.tag);
    if (bridge_table_elements_ == 0)
        return bridge_table_elements_before_ == 0 ? "" : fmt::format("delete table {}\n", table);
    if (bridge_table_elements_before_ == 0) return bridge_table_text(options_.tag, all_parts());
    return bridge_table_changes_;
}

void FirewallRules::commit() {
    undo_.clear();
    bridge_table_changes_.clear();
    bridge_table_elements_before_ = bridge_table_elements_;
}

void FirewallRules::roll_back() {
    roll_back_to(0);
}

void FirewallRules::roll_back_to(size_t mark) {
    while (undo_.size() > mark) {
        undo_.back()();
        undo_.pop_back();
    }
}

std::string FirewallRules::whole(bool has_bridge_table) const {
    TableParts parts = all_parts();
    std::string text = table_text(options_, parts);
    if (bridge_table_elements_ > 0)
        text += bridge_table_text(options_.tag, parts);
    else if (has_bridge_table)
        text += fmt::format("delete table bridge {}\n", table_name(options_.tag));
    return text;
}

std::vector<std::string> FirewallRules::bridges() const {
    std::vector<std::string> names;
    for (const auto& [name, bridge] : bridges_) names.push_back(name);
    return names;
}

template <typename Map>
void FirewallRules::put(Map& map, const typename Map::key_type& key,
                        std::optional<typename Map::mapped_type> value) {
    auto at = map.find(key);
    if (at == map.end()) {
        undo_.push_back([&map, key] { map.erase(key); });
        if (value) map.emplace(key, std::move(*value));
    } else {
        undo_.push_back([&map, key, old = at->second] { map.insert_or_assign(key, old); });
        if (value)
            at->second = std::move(*value);
        else
            map.erase(at);
    }
}

void FirewallRules::replace(const Item& item, TableParts* parts, std::string& text) {
    auto at = items_.find(item);
    TableParts before = at == items_.end() ? TableParts() : at->second;
    TableParts after = parts == nullptr ? TableParts() : *parts;
    if (before == after) return;
    undo_.push_back([this, size = bridge_table_changes_.size(), count = bridge_table_elements_] {
        bridge_table_changes_.resize(size);
        bridge_table_elements_ = count;
    });
    bridge_table_elements_ += count_bridge_table_elements(after) - count_bridge_table_elements(before);
    count_shared(before, after);
    text += change_text(options_.tag, false, before, after);
    bridge_table_changes_ += change_text(options_.tag, true, before, after);
    put(items_, item, parts == nullptr ? std::optional<TableParts>() : std::move(*parts));
}

void FirewallRules::count_shared(TableParts& before, TableParts& after) {
    auto count_of = [this](const TableElement& element) {
        auto at = wanted_.find(element);
        return at == wanted_.end() ? size_t{0} : at->second;
    };
    TableParts old = before;
    std::erase_if(before.elements, [&](const auto& entry) {
        const auto& [element, data] = entry;
        if (!data.empty() || after.elements.contains(element)) return false;
        size_t count = count_of(element);
        put(wanted_, element, count == 1 ? std::optional<size_t>() : std::optional(count - 1));
        return count > 1;
    });
    std::erase_if(after.elements, [&](const auto& entry) {
        const auto& [element, data] = entry;
        if (!data.empty() || old.elements.contains(element)) return false;
        size_t count = count_of(element);
        put(wanted_, element, count + 1);
        return count > 0;
    });
}

void FirewallRules::take_bridges(const FirewallChange& change, std::string& text) {
    for (const auto& name : change.removed_bridges) {
        remove("bridge " + name, text);
        put(bridges_, name, std::nullopt);
    }
    for (const auto& bridge : change.bridges) {
        set("bridge " + bridge.bridge, bridge_parts(bridge, families_), text);
        put(bridges_, bridge.bridge, bridge);
    }
    if (change.removed_bridges.empty() && change.bridges.empty()) return;
    for (const auto& [address, rule] : addresses_)
        set("address " + address.text(), virtual_address_parts(rule, bridge_of(address), families_), text);
}

void FirewallRules::take_ports(const FirewallChange& change, std::string& text) {
    for (const auto& port : change.removed_ports) {
        Item item = port_item("port", port.protocol, port.host_address, port.host_port);
        auto at = items_.find(item);
        if (at == items_.end()) continue;
        if (port.to.is_unspecified() || at->second == port_parts(port, families_)) remove(item, text);
    }
    for (const auto& port : change.ports)
        set(port_item("port", port.protocol, port.host_address, port.host_port), port_parts(port, families_),
            text);
    for (const auto& service : change.removed_services)
        remove(port_item("service", service.protocol, service.host_address, service.host_port), text);
    for (const auto& service : change.services)
        set(port_item("service", service.protocol, service.host_address, service.host_port),
            service_parts(service, families_), text);
}

void FirewallRules::take_addresses(const FirewallChange& change, std::string& text) {
    for (const auto& address : change.removed_addresses) {
        remove("address " + address.text(), text);
        put(addresses_, address, std::nullopt);
    }
    for (const auto& rule : change.addresses) {
        set("address " + rule.address.text(), virtual_address_parts(rule, bridge_of(rule.address), families_),
            text);
        put(addresses_, rule.address, rule);
    }
}

void FirewallRules::take_links(const FirewallChange& change, std::string& text) {
    for (const auto& link : change.removed_links) remove(link_item(link), text);
    for (const auto& link : change.links) set(link_item(link), link_parts(link, families_), text);
    for (const auto& leg : change.removed_legs)
        remove(fmt::format("leg {} {}", leg.bridge, leg.address.text()), text);
    for (const auto& leg : change.legs)
        set(fmt::format("leg {} {}", leg.bridge, leg.address.text()), leg_parts(leg, families_), text);
    for (const auto& name : change.unseparated) remove("separated " + name, text);
    for (const auto& name : change.separated) set("separated " + name, separated_parts(name), text);
}

void FirewallRules::take_host_paths(const FirewallChange& change, std::string& text) {
    auto item_of = [](const SplicedPort& port) {
        return fmt::format("spliced {} {} {}", to_string(port.protocol), port.port, port.of);
    };
    for (const auto& port : change.removed_spliced) remove(item_of(port), text);
    for (const auto& port : change.spliced) set(item_of(port), spliced_parts(port), text);
    for (Family family : change.closed)
        set(family == Family::v4 ? "closed 4" : "closed 6", closed_parts(family), text);
}

std::string FirewallRules::bridge_of(const IpAddress& address) const {
    for (const auto& [name, bridge] : bridges_) {
        for (const auto& subnet : bridge.subnets)
            if (subnet.contains(address)) return name;
    }
    return "";
}

TableParts FirewallRules::all_parts() const {
    TableParts parts;
    for (const auto& [item, of_item] : items_) parts.add(of_item);
    return parts;
}

}  // namespace berth::net

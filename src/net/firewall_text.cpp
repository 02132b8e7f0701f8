// SPDX-License-Identifier: Apache-2.0
#include "net/firewall_text.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.h"
#include "base/strings.h"

namespace berth::net {
namespace {

/// Source hashing: a client's slot stays with its target while others come and go.
constexpr size_t kSourceSlots = 64;
/// Fixed: a chain that is replaced must spread clients as before.
constexpr uint32_t kSourceSeed = 0x6265'7274;

const char* digit_of(const IpAddress& address) {
    return address.is_v4() ? "4" : "6";
}

const char* ip_word(const IpAddress& address) {
    return address.is_v4() ? "ip" : "ip6";
}

/// Chain names have no colons.
std::string chain_word(const IpAddress& address) {
    std::string text = address.text();
    std::replace(text.begin(), text.end(), ':', '_');
    return text;
}

/// As a whole text of one element: of addresses, or of addresses and ports.
using Targets = std::vector<std::string>;

uint64_t mixed(uint64_t value) {
    // The finalizer of SplitMix64.
    value = (value ^ (value >> 30)) * 0xbf58'476d'1ce4'e5b9;
    value = (value ^ (value >> 27)) * 0x94d0'49bb'1331'11eb;
    return value ^ (value >> 31);
}

uint64_t hash_of(const std::string& text) {
    uint64_t hash = 0xcbf2'9ce4'8422'2325;
    for (unsigned char c : text) hash = (hash ^ c) * 0x100'0000'01b3;
    return hash;
}

/// Rendezvous hashing: each slot goes to the target with the highest score for it.
Targets source_slots(const Targets& targets) {
    Targets slots;
    for (size_t slot = 0; slot < kSourceSlots; ++slot) {
        auto score = [slot](const std::string& target) {
            return mixed(hash_of(target) + slot * 0x9e37'79b9'7f4a'7c15);
        };
        slots.push_back(*std::max_element(targets.begin(), targets.end(),
                                          [&](const auto& a, const auto& b) { return score(a) < score(b); }));
    }
    return slots;
}

/// Of several targets. A rule with the first of them has to follow: a packet that meets the chain while it is
/// replaced may see the old rule and find its map empty already (nft_lookup asks for the current generation).
std::string spread(Balance balance, const char* ip, const Targets& targets) {
    Targets slots = balance == Balance::source ? source_slots(targets) : targets;
    std::string number;
    switch (balance) {
        case Balance::round_robin: number = fmt::format("numgen inc mod {}", slots.size()); break;
        case Balance::random: number = fmt::format("numgen random mod {}", slots.size()); break;
        case Balance::source:
            number = fmt::format("jhash {} saddr mod {} seed 0x{:x}", ip, slots.size(), kSourceSeed);
            break;
    }
    std::string text = number + " map { ";
    for (size_t i = 0; i < slots.size(); ++i)
        text += fmt::format("{}{} : {}", i == 0 ? "" : ", ", i, slots[i]);
    return text + " }";
}

std::string endpoint_text(const IpAddress& address, uint16_t port) {
    return fmt::format("{} . {}", address.text(), port);
}

/// The element of a port's map: "any_ports4 tcp . 80", "ports6 fd00::1 . tcp . 80".
TableElement port_element(std::string_view kind, Protocol protocol, const IpAddress& host, uint16_t port) {
    std::string key = fmt::format("{} . {}", to_string(protocol), port);
    if (host.is_unspecified()) return {false, fmt::format("any_{}{}", kind, digit_of(host)), key};
    return {false, fmt::format("{}{}", kind, digit_of(host)), fmt::format("{} . {}", host.text(), key)};
}

/// For direct routing.
TableElement published_element(Protocol protocol, const IpAddress& address, uint16_t port) {
    return {false, std::string("published") + digit_of(address),
            fmt::format("{} . {} . {}", address.text(), to_string(protocol), port)};
}

std::string in_pairs(const std::string& name) {
    return fmt::format("{0} . {0}", quoted_name(name));
}

}  // namespace

void TableParts::add(const TableParts& other) {
    elements.insert(other.elements.begin(), other.elements.end());
    chains.insert(other.chains.begin(), other.chains.end());
}

std::string quoted_name(const std::string& name) {
    auto is_odd = [](unsigned char c) { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '*'; };
    if (name.empty() || name.size() > 127 || std::any_of(name.begin(), name.end(), is_odd))
        throw make_error(ErrorKind::invalid_argument, "{} can't be the name of an interface in packet rules",
                         quote(name));
    return '"' + name + '"';
}

TableParts bridge_parts(const BridgeRules& bridge, Families families) {
    TableParts parts;
    std::string name = quoted_name(bridge.bridge);
    auto add = [&](const char* set, const std::string& key) { parts.elements[{false, set, key}] = ""; };
    add("bridges", name);
    add("same", in_pairs(bridge.bridge));
    if (bridge.is_internal) add("internal", name);
    if (!bridge.inter_container) add("closed", name);
    if (bridge.direct_routing) add("direct", name);
    if (bridge.unprotected) add("unprotected", name);
    for (const auto& trusted : bridge.trusted_interfaces)
        add("trusted", fmt::format("{} . {}", quoted_name(trusted), name));
    for (const auto& subnet : bridge.subnets) {
        bool v4 = subnet.address.is_v4();
        if (!families.has(subnet.address)) continue;
        add(v4 ? "own4" : "own6", fmt::format("{} . {}", name, subnet.network().text()));
        // Link-local addresses are everywhere.
        if (!subnet.address.is_link_local()) add(v4 ? "subnets4" : "subnets6", subnet.network().text());
        if (!(v4 ? bridge.masquerade4 : bridge.masquerade6)) continue;
        add(v4 ? "masquerade4" : "masquerade6", subnet.network().text());
    }
    return parts;
}

TableParts port_parts(const PortRule& port, Families families) {
    TableParts parts;
    if (!families.has(port.host_address) || port.to.family != port.host_address.family) return parts;
    // What is published on the loopback device is for the host alone.
    if (!port.host_address.is_loopback())
        parts.elements[published_element(port.protocol, port.to, port.to_port)] = "";
    if (port.host_port == 0) return parts;
    parts.elements[port_element("ports", port.protocol, port.host_address, port.host_port)] =
        endpoint_text(port.to, port.to_port);
    return parts;
}

TableParts service_parts(const ServiceRule& service, Families families) {
    TableParts parts;
    const IpAddress& host = service.host_address;
    if (!families.has(host)) return parts;
    std::vector<std::pair<IpAddress, uint16_t>> ours;
    for (const auto& target : service.targets)
        if (target.first.family == host.family) ours.push_back(target);
    std::string protocol(to_string(service.protocol));
    std::string chain = fmt::format("{}{}-{}-{}", protocol, digit_of(host),
                                    host.is_unspecified() ? "any" : chain_word(host), service.host_port);
    std::string& rules = parts.chains[chain];
    if (ours.empty()) {
        rules = service.protocol == Protocol::tcp ? "meta l4proto tcp reject with tcp reset\n" : "reject\n";
    } else {
        Targets targets;
        for (const auto& [address, port] : ours) {
            targets.push_back(endpoint_text(address, port));
            if (!host.is_loopback()) parts.elements[published_element(service.protocol, address, port)] = "";
        }
        std::string first = fmt::format(fmt::runtime(host.is_v4() ? "{}:{}" : "[{}]:{}"),
                                        ours.front().first.text(), ours.front().second);
        std::string to = fmt::format("meta l4proto {} dnat {} to ", protocol, ip_word(host));
        if (ours.size() > 1) rules = to + spread(service.balance, ip_word(host), targets) + '\n';
        rules += to + first + '\n';
    }
    for (const auto& [address, port] : service.listening)
        if (address.family == host.family && service.protocol == Protocol::tcp)
            parts.elements[{false, std::string("listening") + digit_of(address),
                            endpoint_text(address, port)}] = "";
    parts.elements[port_element("services", service.protocol, host, service.host_port)] = "goto " + chain;
    return parts;
}

TableParts virtual_address_parts(const VirtualAddress& address, const std::string& bridge,
                                 Families families) {
    TableParts parts;
    if (!families.has(address.address)) return parts;
    Targets targets;
    for (const auto& target : address.targets)
        if (target.family == address.address.family) targets.push_back(target.text());
    std::string chain = "address-" + chain_word(address.address);
    const char* ip = ip_word(address.address);
    std::string& rules = parts.chains[chain];
    if (targets.size() > 1) rules = fmt::format("dnat {} to {}\n", ip, spread(address.balance, ip, targets));
    rules += targets.empty() ? "meta l4proto tcp reject with tcp reset\nreject\n"
                             : fmt::format("dnat {} to {}\n", ip, targets.front());
    std::string set = std::string("virtual") + digit_of(address.address);
    for (const std::string& from : {std::string("lo"), bridge}) {
        if (from.empty()) continue;
        std::string key = fmt::format("{} . {}", quoted_name(from), address.address.text());
        parts.elements[{false, set, key}] = "goto " + chain;
    }
    return parts;
}

TableParts link_parts(const LinkRule& link, Families families) {
    TableParts parts;
    if (!families.has(link.from) || link.from.family != link.to.family) return parts;
    std::string key = fmt::format("{} . {} . {} . {}", link.from.text(), link.to.text(),
                                  to_string(link.protocol), link.port);
    for (bool in_bridge_family : {false, true})
        parts.elements[{in_bridge_family, std::string("links") + digit_of(link.from), key}] = "";
    return parts;
}

TableParts leg_parts(const LegRule& leg, Families families) {
    TableParts parts;
    if (!families.has(leg.address)) return parts;
    std::string key = fmt::format("{} . {}", quoted_name(leg.bridge), leg.address.text());
    parts.elements[{false, std::string("legs") + digit_of(leg.address), key}] = "";
    return parts;
}

TableParts spliced_parts(const SplicedPort& port) {
    TableParts parts;
    parts.elements[{false, "spliced", fmt::format("{} . {}", to_string(port.protocol), port.port)}] = "";
    return parts;
}

TableParts closed_parts(Family family) {
    TableParts parts;
    parts.elements[{false, "closed_families", family == Family::v4 ? "ipv4" : "ipv6"}] = "";
    return parts;
}

TableParts separated_parts(const std::string& host_interface) {
    TableParts parts;
    parts.elements[{true, "separated", quoted_name(host_interface)}] = "";
    return parts;
}

std::string mark_match(const std::string& accept_fwmark) {
    auto number = [](std::string_view text) -> std::optional<uint32_t> {
        if (text.starts_with("0x") || text.starts_with("0X"))
            return parse_number<uint32_t>(text.substr(2), 16);
        return parse_number<uint32_t>(text);
    };
    size_t slash = accept_fwmark.find('/');
    auto mark = number(std::string_view(accept_fwmark).substr(0, slash));
    auto mask = slash == std::string::npos ? std::optional<uint32_t>(0xffff'ffff)
                                           : number(std::string_view(accept_fwmark).substr(slash + 1));
    if (!mark || !mask)
        throw make_error(ErrorKind::invalid_argument,
                         "invalid firewall mark {}: it is written MARK or MARK/MASK", quote(accept_fwmark));
    return fmt::format("meta mark & 0x{:x} == 0x{:x}", *mask, *mark);
}

}  // namespace berth::net

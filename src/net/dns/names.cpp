// SPDX-License-Identifier: Apache-2.0
#include "net/dns/names.h"

#include <algorithm>

#include "base/strings.h"

namespace berth::net::dns {

std::string lower_case(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return result;
}

namespace {

std::optional<IpAddress> reversed_v4(std::string_view digits) {
    IpAddress address;
    std::vector<std::string_view> parts = split(digits, '.');
    if (parts.size() != 4) return std::nullopt;
    for (size_t i = 0; i < 4; ++i) {
        auto byte = parse_number<uint8_t>(parts[i]);
        if (!byte || (parts[i].size() > 1 && parts[i][0] == '0')) return std::nullopt;
        address.bytes[3 - i] = *byte;
    }
    return address;
}

std::optional<IpAddress> reversed_v6(std::string_view digits) {
    IpAddress address;
    address.family = Family::v6;
    if (digits.size() != 63) return std::nullopt;
    for (size_t i = 0; i < 32; ++i) {
        if (i != 31 && digits[2 * i + 1] != '.') return std::nullopt;
        auto digit = parse_number<uint8_t>(digits.substr(2 * i, 1), 16);
        if (!digit) return std::nullopt;
        address.bytes[15 - i / 2] |= static_cast<uint8_t>(i % 2 == 0 ? *digit : *digit << 4);
    }
    return address;
}

}  // namespace

std::optional<IpAddress> address_of_reverse_name(std::string_view name) {
    constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
    if (name.ends_with(v4)) return reversed_v4(name.substr(0, name.size() - v4.size()));
    if (name.ends_with(v6)) return reversed_v6(name.substr(0, name.size() - v6.size()));
    return std::nullopt;
}

void NetworkNames::set_name(std::string_view name) {
    name_ = name;
    lower_name_ = lower_case(name);
}

void NetworkNames::add(DnsEndpoint endpoint) {
    remove(endpoint.id);
    auto made = std::make_unique<Endpoint>();
    if (!endpoint.names.empty()) made->name = endpoint.names.front();
    for (const std::string& name : endpoint.names) {
        std::string key = lower_case(name);
        bool is_new = std::ranges::find(made->names, key) == made->names.end();
        if (is_new && !key.empty()) made->names.push_back(std::move(key));
    }
    made->addresses = std::move(endpoint.addresses);
    made->ports = std::move(endpoint.ports);
    for (const std::string& name : made->names) names_[name].endpoints.push_back(made.get());
    for (const IpAddress& address : made->addresses) reverse_[address] = made.get();
    endpoints_.emplace(std::move(endpoint.id), std::move(made));
}

void NetworkNames::remove(std::string_view endpoint) {
    auto found = endpoints_.find(endpoint);
    if (found == endpoints_.end()) return;
    const Endpoint* gone = found->second.get();
    for (const std::string& name : gone->names) {
        auto entry = names_.find(name);
        std::erase(entry->second.endpoints, gone);
        erase_if_unused(entry);
    }
    for (const IpAddress& address : gone->addresses) {
        auto entry = reverse_.find(address);
        // Another endpoint may have got the address already.
        if (entry != reverse_.end() && entry->second == gone) reverse_.erase(entry);
    }
    endpoints_.erase(found);
}

void NetworkNames::add_name(std::string_view name, std::vector<IpAddress> addresses) {
    names_[lower_case(name)].fixed = std::move(addresses);
}

void NetworkNames::remove_name(std::string_view name) {
    auto entry = names_.find(lower_case(name));
    if (entry == names_.end()) return;
    entry->second.fixed.clear();
    erase_if_unused(entry);
}

void NetworkNames::erase_if_unused(Entries::iterator entry) {
    if (entry->second.endpoints.empty() && entry->second.fixed.empty()) names_.erase(entry);
}

bool NetworkNames::addresses(std::string_view name, Family family, std::vector<IpAddress>& into) {
    auto found = names_.find(name);
    if (found == names_.end()) return false;
    Entry& entry = found->second;
    size_t begin = into.size();
    auto append = [&](const std::vector<IpAddress>& addresses) {
        for (const IpAddress& address : addresses)
            if (address.family == family) into.push_back(address);
    };
    append(entry.fixed);
    for (const Endpoint* endpoint : entry.endpoints) append(endpoint->addresses);
    size_t count = into.size() - begin;
    if (count < 2) return true;
    uint32_t& next = entry.next[family == Family::v4 ? 0 : 1];
    auto first = into.begin() + static_cast<ptrdiff_t>(begin);
    std::rotate(first, first + next++ % static_cast<uint32_t>(count), into.end());
    return true;
}

const NetworkNames::Endpoint* NetworkNames::at(const IpAddress& address) const {
    auto found = reverse_.find(address);
    return found == reverse_.end() ? nullptr : found->second;
}

void NetworkNames::endpoints(std::string_view name, std::vector<const Endpoint*>& into) const {
    auto found = names_.find(name);
    if (found == names_.end()) return;
    into.insert(into.end(), found->second.endpoints.begin(), found->second.endpoints.end());
}

/// Calls `visit(network, name there)` until it says true: for the name itself in all networks, then, as names
/// of networks may have dots as well, for each way to cut it into a name and that of a network.
template <typename Visit>
bool View::visit(std::string_view name, Visit&& visit) const {
    for (const auto& network : networks)
        if (visit(*network, name)) return true;
    for (size_t dot = name.rfind('.'); dot != std::string_view::npos && dot != 0;
         dot = name.rfind('.', dot - 1)) {
        std::string_view rest = name.substr(dot + 1);
        for (const auto& network : networks)
            if (network->is_called(rest) && visit(*network, name.substr(0, dot))) return true;
    }
    return false;
}

bool View::has(std::string_view name) const {
    for (const auto& [own, addresses] : own_names)
        if (own == name) return true;
    return visit(name,
                 [](const NetworkNames& network, std::string_view there) { return network.has(there); });
}

bool View::addresses(std::string_view name, Family family, std::vector<IpAddress>& into) const {
    bool known = false;
    into.clear();
    for (const auto& [own, addresses] : own_names) {
        if (own != name) continue;
        known = true;
        for (const IpAddress& address : addresses)
            if (address.family == family) into.push_back(address);
    }
    if (!into.empty()) return true;
    visit(name, [&](NetworkNames& network, std::string_view there) {
        known |= network.addresses(there, family, into);
        return !into.empty();
    });
    return known;
}

std::string View::name_of(const IpAddress& address) const {
    for (const auto& network : networks) {
        const NetworkNames::Endpoint* endpoint = network->at(address);
        if (endpoint == nullptr || endpoint->name.empty()) continue;
        return network->name().empty() ? endpoint->name : endpoint->name + "." + network->name();
    }
    return "";
}

bool View::endpoints(std::string_view name, std::vector<const NetworkNames::Endpoint*>& into) const {
    into.clear();
    return visit(name, [&](const NetworkNames& network, std::string_view there) {
        network.endpoints(there, into);
        return !into.empty();
    });
}

std::shared_ptr<NetworkNames> Names::network(const std::string& id) {
    auto& network = networks_[id];
    if (!network) network = std::make_shared<NetworkNames>();
    return network;
}

std::shared_ptr<NetworkNames> Names::find(std::string_view id) const {
    auto found = networks_.find(id);
    return found == networks_.end() ? nullptr : found->second;
}

void Names::prune() {
    std::erase_if(networks_,
                  [](const auto& item) { return item.second->is_empty() && item.second.use_count() == 1; });
}

}  // namespace berth::net::dns

// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/network_record.h"

#include "base/json.h"
#include "base/strings.h"
#include "engine/networks/network_options.h"

namespace berth::engine {

namespace options = network_options;

namespace {

/// A row's JSON: addresses as texts.
struct SubnetRow {
    std::string subnet, range, gateway;
    std::map<std::string, std::string> auxiliary;
    bool is_configured = false;
};
BOOST_DESCRIBE_STRUCT(SubnetRow, (), (subnet, range, gateway, auxiliary, is_configured))

struct NetworkRow {
    int version = 1;
    std::string id, name;
    int64_t created_ns = 0;
    std::string driver;
    bool enable_v4 = true, enable_v6 = false;
    bool is_internal = false, is_attachable = false, is_ingress = false, is_config_only = false;
    std::string config_from, ipam_driver;
    std::map<std::string, std::string> ipam_options, options, labels;
    std::vector<SubnetRow> subnets;
    std::string interface;
    bool is_interface_ours = true, is_builtin = false;
};
BOOST_DESCRIBE_STRUCT(NetworkRow, (),
                      (version, id, name, created_ns, driver, enable_v4, enable_v6, is_internal,
                       is_attachable, is_ingress, is_config_only, config_from, ipam_driver, ipam_options,
                       options, labels, subnets, interface, is_interface_ours, is_builtin))

/// What both forms have alike.
template <typename From, typename To>
void copy_plain(From& from, To& to) {
    to.version = from.version;
    to.id = from.id;
    to.name = from.name;
    to.created_ns = from.created_ns;
    to.driver = from.driver;
    to.enable_v4 = from.enable_v4;
    to.enable_v6 = from.enable_v6;
    to.is_internal = from.is_internal;
    to.is_attachable = from.is_attachable;
    to.is_ingress = from.is_ingress;
    to.is_config_only = from.is_config_only;
    to.config_from = from.config_from;
    to.ipam_driver = from.ipam_driver;
    to.ipam_options = from.ipam_options;
    to.options = from.options;
    to.labels = from.labels;
    to.interface = from.interface;
    to.is_interface_ours = from.is_interface_ours;
    to.is_builtin = from.is_builtin;
}

template <typename T>
T parsed(const std::string& text) {
    if (std::optional<T> value = T::parse(text)) return *value;
    throw make_error(ErrorKind::internal, "a network's record has the address {}", quote(text));
}

const std::string* option(const NetworkRecord& record, std::string_view name) {
    auto found = record.options.find(std::string(name));
    return found == record.options.end() ? nullptr : &found->second;
}

bool flag(const NetworkRecord& record, std::string_view name, bool absent) {
    const std::string* text = option(record, name);
    return text ? options::parse_bool(*text).value_or(absent) : absent;
}

}  // namespace

std::optional<bool> network_options::parse_bool(std::string_view text) {
    for (std::string_view word : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == word) return true;
    for (std::string_view word : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == word) return false;
    return std::nullopt;
}

bool NetworkRecord::inter_container() const {
    return flag(*this, options::kInterContainer, true);
}

bool NetworkRecord::masquerades() const {
    return flag(*this, options::kMasquerade, true);
}

bool NetworkRecord::inhibits_v4() const {
    return flag(*this, options::kInhibit4, false);
}

int NetworkRecord::mtu() const {
    const std::string* text = option(*this, options::kMtu);
    return text ? parse_number<int>(*text).value_or(0) : 0;
}

std::optional<net::IpAddress> NetworkRecord::host_binding(net::Family family) const {
    // Docker's option for IPv4 may hold an address of either family.
    bool is_named = false;
    for (std::string_view key : {options::kHostBinding4, options::kHostBinding6}) {
        const std::string* text = option(*this, key);
        std::optional<net::IpAddress> address = text ? net::IpAddress::parse(*text) : std::nullopt;
        if (!address || address->is_unspecified()) continue;
        is_named = true;
        if (address->family == family) return address;
    }
    if (is_named) return std::nullopt;
    return family == net::Family::v4 ? default_binding_v4 : default_binding_v6;
}

std::string NetworkRecord::interface_prefix() const {
    const std::string* text = option(*this, options::kInterfacePrefix);
    return text && !text->empty() ? *text : "eth";
}

std::vector<std::string> NetworkRecord::trusted_interfaces() const {
    std::vector<std::string> names;
    if (const std::string* text = option(*this, options::kTrustedInterfaces))
        for (std::string_view word : split(*text, ':'))
            if (!word.empty()) names.emplace_back(word);
    return names;
}

std::string NetworkRecord::gateway_mode(net::Family family) const {
    const std::string* text =
        option(*this, family == net::Family::v4 ? options::kGatewayMode4 : options::kGatewayMode6);
    return text && !text->empty() ? *text : "nat";
}

std::string encode_network_record(const NetworkRecord& record) {
    NetworkRow row;
    copy_plain(record, row);
    for (const NetworkSubnet& subnet : record.subnets) {
        SubnetRow one{.subnet = subnet.subnet.text(), .is_configured = subnet.is_configured};
        if (subnet.range) one.range = subnet.range->text();
        if (subnet.gateway) one.gateway = subnet.gateway->text();
        for (const auto& [name, address] : subnet.auxiliary) one.auxiliary.emplace(name, address.text());
        row.subnets.push_back(std::move(one));
    }
    return json::print(json::encode(row));
}

NetworkRecord decode_network_record(std::string_view text) {
    NetworkRow row = json::decode_text<NetworkRow>(text);
    NetworkRecord record;
    copy_plain(row, record);
    for (const SubnetRow& one : row.subnets) {
        NetworkSubnet subnet{.subnet = parsed<net::Prefix>(one.subnet), .is_configured = one.is_configured};
        if (!one.range.empty()) subnet.range = parsed<net::Prefix>(one.range);
        if (!one.gateway.empty()) subnet.gateway = parsed<net::IpAddress>(one.gateway);
        for (const auto& [name, address] : one.auxiliary)
            subnet.auxiliary.emplace(name, parsed<net::IpAddress>(address));
        record.subnets.push_back(std::move(subnet));
    }
    return record;
}

}  // namespace berth::engine

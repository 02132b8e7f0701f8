// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/create_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "engine/networks/network_options.h"

namespace berth::engine {

namespace options = network_options;
using net::Family;
using spec::api::IpamPool;
using spec::api::NetworkCreateRequest;

namespace {

using Options = std::map<std::string, std::string>;

template <typename... Args>
Error invalid(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

template <typename... Args>
Error forbidden(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorKind::forbidden, format, std::forward<Args>(args)...);
}

const char* word(Family family) {
    return family == Family::v4 ? "IPv4" : "IPv6";
}

// --- names and drivers -------------------------------------------------------------------------------------

void check_name(const std::string& name) {
    if (trim(name).empty()) throw invalid("invalid name: name is empty");
    for (std::string_view own : {"bridge", "host", "none", "default"})
        if (name == own) throw forbidden("operation is not permitted on predefined {} network ", name);
    // It is a segment of the API's paths and of names in DNS.
    bool is_good =
        std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/'; });
    if (!is_good) throw invalid("invalid name: {} has a '/' or a control character", quote(name));
}

void check_driver(const std::string& driver) {
    if (driver == "bridge" || driver == "macvlan" || driver == "ipvlan") return;
    if (driver == "host" || driver == "null")
        throw forbidden("only one instance of \"{}\" network is allowed", driver);
    if (driver == "overlay")
        throw forbidden(
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
            "this node to swarm and try again.");
    throw make_error(ErrorKind::not_found, "plugin \"{}\" not found", driver);
}

// --- configurations of others ------------------------------------------------------------------------------

void check_configuration(const NetworkCreateRequest& request) {
    bool has_source = request.ConfigFrom && !request.ConfigFrom->Network.empty();
    if (request.ConfigOnly) {
        if (request.Ingress || request.Internal || request.Attachable || !request.Scope.empty())
            throw forbidden(
                "configuration network can only contain network specific fields. Network operator fields "
                "like [ ingress | internal | attachable | scope ] are not supported.");
        if (has_source)
            throw forbidden("a configuration network cannot depend on another configuration network");
    }
    if (!has_source) return;
    bool has_ipam = request.IPAM && ((request.IPAM->Driver != "default" && !request.IPAM->Driver.empty()) ||
                                     !spec::api::items(request.IPAM->Options).empty() ||
                                     !spec::api::items(request.IPAM->Config).empty());
    if (has_ipam || request.EnableIPv6.value_or(false) || !spec::api::items(request.Labels).empty())
        throw forbidden(
            "user specified configurations are not supported if the network depends on a configuration "
            "network");
    if (!spec::api::items(request.Options).empty())
        throw forbidden(
            "network driver options are not supported if the network depends on a configuration network");
}

void apply_configuration(NetworkRecord& record, const NetworkCreateRequest& request,
                         const CreateContext& context) {
    const std::string& name = request.ConfigFrom->Network;
    const NetworkRecord* source = context.find_configuration(name);
    if (!source)
        throw make_error(ErrorKind::not_found, "configuration network {} does not exist", quote(name));
    record.config_from = source->name;
    record.enable_v4 = source->enable_v4;
    record.enable_v6 = source->enable_v6;
    record.ipam_driver = source->ipam_driver;
    record.ipam_options = source->ipam_options;
    record.options = source->options;
    record.labels = source->labels;
    record.subnets = source->subnets;
}

// --- options -----------------------------------------------------------------------------------------------

Error bad_option(std::string_view name, const std::string& value, std::string_view why) {
    return invalid("failed to parse {} value: {} ({})", name, value, why);
}

void check_flag(const Options& given, std::string_view name) {
    auto found = given.find(std::string(name));
    if (found != given.end() && !options::parse_bool(found->second))
        throw bad_option(name, found->second,
                         fmt::format("strconv.ParseBool: parsing {}: invalid syntax", quote(found->second)));
}

void check_address(const Options& given, std::string_view name) {
    auto found = given.find(std::string(name));
    if (found != given.end() && !net::IpAddress::parse(found->second))
        throw bad_option(name, found->second, "nil ip");
}

void check_gateway_mode(const NetworkRecord& record, std::string_view name) {
    auto found = record.options.find(std::string(name));
    if (found == record.options.end()) return;
    constexpr std::array<std::string_view, 4> kModes = {"nat", "nat-unprotected", "routed", "isolated"};
    if (std::ranges::find(kModes, found->second) == kModes.end())
        throw bad_option(name, found->second, "unknown gateway mode " + found->second);
    if (found->second == "isolated" && !record.is_internal)
        throw invalid("gateway mode 'isolated' can only be used for an internal network");
}

void check_mtu(const Options& given) {
    auto found = given.find(std::string(options::kMtu));
    if (found == given.end()) return;
    std::optional<int> mtu = parse_number<int>(found->second);
    if (!mtu)
        throw bad_option(options::kMtu, found->second,
                         fmt::format("strconv.Atoi: parsing {}: invalid syntax", quote(found->second)));
    if (*mtu < 0) throw invalid("invalid MTU number: {}", *mtu);
}

/// As the kernel's dev_valid_name().
void check_interface(std::string_view what, const std::string& name, size_t longest) {
    bool is_good =
        !name.empty() && name.size() <= longest && name != "." && name != ".." &&
        std::ranges::none_of(name, [](unsigned char c) { return c <= ' ' || c == '/' || c == ':'; });
    if (!is_good)
        throw invalid("invalid {} {}: at most {} characters, no blanks, '/' or ':'", what, quote(name),
                      longest);
}

void apply_bridge_options(NetworkRecord& record) {
    const Options& given = record.options;
    for (std::string_view name : {options::kMasquerade, options::kInterContainer, options::kInhibit4,
                                  options::kDefaultBridge, options::kEnable4, options::kEnable6})
        check_flag(given, name);
    for (std::string_view name :
         {options::kHostBinding4, options::kHostBinding6, options::kHost4, options::kHost6})
        check_address(given, name);
    check_gateway_mode(record, options::kGatewayMode4);
    check_gateway_mode(record, options::kGatewayMode6);
    auto name = given.find(std::string(options::kBridgeName));
    if (name != given.end() && !name->second.empty()) {
        check_interface("bridge name", name->second, 15);
        record.interface = name->second;
    }
}

void apply_parent_options(NetworkRecord& record) {
    bool is_macvlan = record.driver == "macvlan";
    const Options& given = record.options;
    auto mode = given.find(std::string(is_macvlan ? options::kMacvlanMode : options::kIpvlanMode));
    if (mode != given.end() && !mode->second.empty()) {
        std::vector<std::string_view> known = {"l2", "l3", "l3s"};
        if (is_macvlan) known = {"bridge", "private", "vepa", "passthru"};
        if (std::ranges::find(known, std::string_view(mode->second)) == known.end())
            throw invalid("requested {} mode '{}' is not valid, '{}' mode is the {} driver default",
                          record.driver, mode->second, known.front(), record.driver);
    }
    auto parent = given.find(std::string(options::kParent));
    if (parent == given.end() || parent->second.empty()) return;
    if (parent->second == "lo")
        throw invalid("loopback interface is not a valid {} parent link", record.driver);
    check_interface("parent", parent->second, 15);
    record.interface = parent->second;
}

void apply_options(NetworkRecord& record) {
    check_mtu(record.options);
    auto prefix = record.options.find(std::string(options::kInterfacePrefix));
    // A number follows it.
    if (prefix != record.options.end() && !prefix->second.empty())
        check_interface("interface prefix", prefix->second, 12);
    if (record.driver == "bridge")
        apply_bridge_options(record);
    else
        apply_parent_options(record);
}

bool family_flag(NetworkRecord& record, const std::optional<bool>& asked, std::string_view name,
                 bool otherwise) {
    auto found = record.options.find(std::string(name));
    if (asked) {
        // Else inspect would show an option that does not count.
        if (found != record.options.end()) record.options.erase(found);
        return *asked;
    }
    if (found == record.options.end()) return otherwise;
    std::optional<bool> value = options::parse_bool(found->second);
    if (!value) throw invalid("driver-opt {} is not a valid bool", quote(name));
    return *value;
}

// --- subnets -----------------------------------------------------------------------------------------------

using Problems = std::vector<std::string>;

/// Each costs look-ups: who has more wants a bigger one.
constexpr size_t kMostSubnets = 256;

void read_range(const IpamPool& pool, NetworkSubnet& into, Problems& problems) {
    if (pool.IPRange.empty()) return;
    std::optional<net::Prefix> range = net::Prefix::parse(pool.IPRange);
    const net::Prefix& subnet = into.subnet;
    if (!range) {
        problems.push_back(fmt::format("invalid ip-range {}: invalid CIDR block notation", pool.IPRange));
    } else if (range->address.family != subnet.address.family) {
        problems.push_back(fmt::format("invalid ip-range {}: parent subnet is an {} block", pool.IPRange,
                                       word(subnet.address.family)));
    } else {
        if (range->length < subnet.length)
            problems.push_back(
                fmt::format("invalid ip-range {}: CIDR block is bigger than its parent subnet {}",
                            pool.IPRange, subnet.text()));
        if (*range != range->network())
            problems.push_back(
                fmt::format("invalid ip-range {}: it should be {}", range->text(), range->network().text()));
        if (!subnet.overlaps(*range))
            problems.push_back(fmt::format("invalid ip-range {}: parent subnet {} doesn't contain ip-range",
                                           pool.IPRange, subnet.text()));
        into.range = range;
    }
}

std::optional<net::IpAddress> read_address(const std::string& what, const std::string& text,
                                           const net::Prefix& subnet, Problems& problems) {
    std::optional<net::IpAddress> address = net::IpAddress::parse(text);
    std::string why;
    if (!address)
        why = "invalid address";
    else if (address->family != subnet.address.family)
        why = fmt::format("parent subnet is an {} block", word(subnet.address.family));
    else if (!subnet.contains(*address))
        why = fmt::format("parent subnet {} doesn't contain this address", subnet.text());
    if (why.empty()) return address;
    problems.push_back(fmt::format("invalid {}: {}", what, why));
    return std::nullopt;
}

/// Addresses that no container can have; the host's own 127.0.0.1 would become a bridge's.
void check_v4_subnet(const net::Prefix& subnet, Problems& problems) {
    for (std::string_view reserved : {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"})
        if (subnet.overlaps(*net::Prefix::parse(reserved)))
            problems.push_back(fmt::format("invalid subnet {}: it overlaps with the reserved block {}",
                                           subnet.text(), reserved));
}

void check_v6_subnet(const net::Prefix& subnet, Problems& problems) {
    net::Prefix link_local = *net::Prefix::parse("fe80::/64");
    if (subnet.address.is_multicast())
        problems.push_back(fmt::format("multicast subnet '{}' is not allowed", subnet.text()));
    else if (subnet.network() != link_local && subnet.overlaps(link_local))
        problems.push_back(fmt::format("'{}' clashes with the Link-Local prefix 'fe80::/64'", subnet.text()));
}

void read_pool(const IpamPool& pool, NetworkPlan& plan, Problems& problems) {
    std::optional<net::Prefix> subnet = net::Prefix::parse(pool.Subnet);
    if (!subnet) {
        problems.push_back(fmt::format("invalid subnet {}: invalid CIDR block notation", pool.Subnet));
        return;
    }
    Family family = subnet->address.family;
    if (!plan.record.enables(family)) {
        plan.warning = fmt::format("subnet {} is not used: {} is not enabled for this network", pool.Subnet,
                                   word(family));
        return;
    }
    if (*subnet != subnet->network())
        problems.push_back(
            fmt::format("invalid subnet {}: it should be {}", subnet->text(), subnet->network().text()));
    if (family == Family::v4)
        check_v4_subnet(*subnet, problems);
    else
        check_v6_subnet(*subnet, problems);
    NetworkSubnet made{.subnet = *subnet, .is_configured = true};
    read_range(pool, made, problems);
    if (!pool.Gateway.empty())
        made.gateway = read_address("gateway " + pool.Gateway, pool.Gateway, *subnet, problems);
    for (const auto& [name, text] : pool.AuxiliaryAddresses)
        if (auto address = read_address("auxiliary address " + name, text, *subnet, problems))
            made.auxiliary.emplace(name, *address);
    for (const NetworkSubnet& other : plan.record.subnets)
        if (other.subnet.overlaps(*subnet))
            throw forbidden("invalid pool request: Pool overlaps with other one on this address space");
    plan.record.subnets.push_back(std::move(made));
}

void read_subnets(const spec::api::Ipam& ipam, NetworkPlan& plan) {
    plan.record.ipam_driver = ipam.Driver.empty() ? "default" : ipam.Driver;
    if (plan.record.ipam_driver != "default" && plan.record.ipam_driver != "null")
        throw make_error(ErrorKind::not_found, "plugin \"{}\" not found", plan.record.ipam_driver);
    plan.record.ipam_options = spec::api::items(ipam.Options);
    Problems problems;
    if (spec::api::items(ipam.Config).size() > kMostSubnets)
        throw invalid("a network has at most {} subnets", kMostSubnets);
    for (const IpamPool& pool : spec::api::items(ipam.Config)) read_pool(pool, plan, problems);
    if (problems.empty()) return;
    std::string text = problems.size() == 1 ? problems.front() : "* " + join(problems, "\n* ");
    throw invalid("invalid network config:\n{}", text);
}

bool has_subnet(const NetworkRecord& record, Family family) {
    return std::ranges::any_of(
        record.subnets, [&](const NetworkSubnet& subnet) { return subnet.subnet.address.family == family; });
}

}  // namespace

NetworkPlan plan_network(const NetworkCreateRequest& request, const CreateContext& context) {
    check_name(request.Name);
    check_configuration(request);
    if (request.Ingress) throw forbidden("ingress networks need a swarm");
    if (!request.Scope.empty() && request.Scope != "local")
        throw invalid("scope {} is not supported: networks are local", quote(request.Scope));
    NetworkPlan plan;
    NetworkRecord& record = plan.record;
    record.name = request.Name;
    record.driver = request.Driver.empty() ? "bridge" : request.Driver;
    if (!request.ConfigOnly) check_driver(record.driver);
    record.is_internal = request.Internal;
    record.is_attachable = request.Attachable;
    record.is_config_only = request.ConfigOnly;
    record.labels = spec::api::items(request.Labels);
    record.options = spec::api::items(request.Options);
    if (request.ConfigFrom && !request.ConfigFrom->Network.empty()) {
        apply_configuration(record, request, context);
    } else {
        if (auto more = context.default_options.find(record.driver); more != context.default_options.end())
            record.options.insert(more->second.begin(), more->second.end());
        record.enable_v4 = family_flag(record, request.EnableIPv4, options::kEnable4, true);
        record.enable_v6 = family_flag(record, request.EnableIPv6, options::kEnable6, false);
        read_subnets(request.IPAM.value_or(spec::api::Ipam{}), plan);
    }
    if (record.is_config_only) {
        // It is a form for others: nothing is made of it.
        record.driver = "null";
        record.is_interface_ours = false;
        return plan;
    }
    if (!record.enable_v4 && !record.enable_v6) throw invalid("IPv4 or IPv6 must be enabled");
    apply_options(record);
    for (NetworkSubnet& subnet : record.subnets) choose_gateway(record, subnet);
    bool has_ipam = record.ipam_driver != "null";
    plan.needs_v4 = has_ipam && record.enable_v4 && !has_subnet(record, Family::v4);
    plan.needs_v6 = has_ipam && record.enable_v6 && !has_subnet(record, Family::v6);
    return plan;
}

void check_conflicts(const NetworkRecord& network, const std::vector<const NetworkRecord*>& others) {
    if (network.is_config_only) return;
    for (const NetworkRecord* other : others) {
        if (other->is_config_only || other->id == network.id) continue;
        for (const NetworkSubnet& mine : network.subnets)
            for (const NetworkSubnet& theirs : other->subnets)
                if (mine.subnet.overlaps(theirs.subnet))
                    throw forbidden(
                        "invalid pool request: Pool overlaps with other one on this address space");
        if (network.interface.empty() || network.interface != other->interface) continue;
        // macvlan devices share a parent, but not with ipvlan, nor one that passes all through.
        auto mode = network.options.find(std::string(options::kMacvlanMode));
        auto other_mode = other->options.find(std::string(options::kMacvlanMode));
        bool is_shared = network.driver == other->driver && !network.is_bridge() &&
                         (mode == network.options.end() || mode->second != "passthru") &&
                         (other_mode == other->options.end() || other_mode->second != "passthru");
        if (is_shared) continue;
        if (network.is_bridge())
            throw forbidden(
                "cannot create network {} ({}): conflicts with network {} ({}): networks have same bridge "
                "name",
                network.id, network.interface, other->id, other->interface);
        throw forbidden("network {} is already using parent interface {}", other->name, network.interface);
    }
}

void choose_gateway(const NetworkRecord& network, NetworkSubnet& subnet) {
    if (subnet.gateway) return;
    Family family = subnet.subnet.address.family;
    bool needs_none =
        network.driver == "bridge" ? network.gateway_mode(family) == "isolated" : network.is_internal;
    if (needs_none) return;
    net::IpAddress first = subnet.subnet.first();
    // A pair of addresses (RFC 3021) has no address of the network's.
    bool is_pair = subnet.subnet.length + 1 >= subnet.subnet.address.bits();
    std::optional<net::IpAddress> gateway = is_pair ? first : first.plus(1);
    auto is_taken = [&](const net::IpAddress& address) {
        return std::ranges::any_of(subnet.auxiliary, [&](const auto& one) { return one.second == address; });
    };
    while (gateway && subnet.subnet.contains(*gateway) && is_taken(*gateway)) gateway = gateway->plus(1);
    if (gateway && subnet.subnet.contains(*gateway)) subnet.gateway = gateway;
}

}  // namespace berth::engine

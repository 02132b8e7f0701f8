// SPDX-License-Identifier: Apache-2.0
#include "engine/networks/networks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/networks/default_networks.h"
#include "engine/networks/networks_state.h"
#include "engine/networks/views.h"
#include "engine/state/state_db.h"
#include "engine/system/events.h"
#include "engine/volumes/to_end.h"
#include "sys/file.h"

namespace berth::engine {

using async::Task;

namespace {

/// Of the pool of IPv6 subnets.
std::string machine_id() {
    std::optional<std::string> id = sys::try_read_file("/etc/machine-id");
    return std::string(trim(id.value_or("")));
}

std::optional<net::IpAddress> publish_address(const DaemonConfig& config, net::Family family) {
    for (const std::string& text : config.network.publish_addresses)
        if (auto address = net::IpAddress::parse(text); address && address->family == family)
            if (!address->is_unspecified()) return address;
    return std::nullopt;
}

template <typename T>
Task<void> without_value(Task<T> task) {
    co_await std::move(task);
}

}  // namespace

std::string machine_tag(const DaemonConfig& config) {
    return std::string(Digest::of(config.exec_root).hex().substr(0, 8));
}

// --- State -------------------------------------------------------------------------------------------------

Networks::State::State(Dependencies dependencies)
    : with(dependencies),
      tag(machine_tag(dependencies.config)),
      alias(device_alias(tag)),
      pools(address_pools(dependencies.config, machine_id())),
      changes(dependencies.control, 1) {}

std::vector<net::IpAddress> Networks::State::Entry::virtual_addresses() const {
    std::vector<net::IpAddress> list;
    for (const auto& [service, address] : services) list.push_back(address);
    return list;
}

Networks::State::Entry* Networks::State::find(std::string_view reference) {
    if (auto entry = entries.find(std::string(reference)); entry != entries.end()) return &entry->second;
    if (auto id = ids.find(std::string(reference)); id != ids.end()) return &entries.at(id->second);
    if (reference.empty()) return nullptr;
    Entry* found = nullptr;
    for (auto entry = entries.lower_bound(std::string(reference));
         entry != entries.end() && entry->first.starts_with(reference); ++entry) {
        if (found) return nullptr;
        found = &entry->second;
    }
    return found;
}

Networks::State::Entry& Networks::State::get(std::string_view reference) {
    if (Entry* entry = find(reference)) return *entry;
    auto has_prefix = [&](const auto& entry) { return entry.first.starts_with(reference); };
    if (auto count = reference.empty() ? 0 : std::ranges::count_if(entries, has_prefix); count > 1)
        throw make_error(ErrorKind::invalid_argument,
                         "network {} is ambiguous ({} matches found based on ID prefix)", reference, count);
    throw make_error(ErrorKind::not_found, "network {} not found", reference);
}

Networks::State::Entry& Networks::State::of(const NetworkRecord& record) {
    auto entry = entries.find(record.id);
    if (entry == entries.end()) throw make_error(ErrorKind::not_found, "network {} not found", record.name);
    return entry->second;
}

Networks::State::Entry& Networks::State::add(NetworkRecord record) {
    if (!record.is_builtin || record.driver == "bridge") {
        record.default_binding_v4 = publish_address(with.config, net::Family::v4);
        record.default_binding_v6 = publish_address(with.config, net::Family::v6);
    }
    Entry entry;
    for (const NetworkSubnet& subnet : record.subnets) {
        net::AddressPool& pool = entry.pools.emplace_back(subnet.subnet, subnet.range);
        if (subnet.gateway) pool.reserve(*subnet.gateway);
        for (const auto& [name, address] : subnet.auxiliary) pool.reserve(address);
    }
    std::string id = record.id;
    ids[record.name] = id;
    entry.record = std::make_shared<const NetworkRecord>(std::move(record));
    return entries.insert_or_assign(std::move(id), std::move(entry)).first->second;
}

void Networks::State::drop(const std::string& id) {
    auto entry = entries.find(id);
    if (entry == entries.end()) return;
    ids.erase(entry->second.record->name);
    entries.erase(entry);
}

std::vector<const NetworkRecord*> Networks::State::records() const {
    std::vector<const NetworkRecord*> list;
    for (const auto& [id, entry] : entries) list.push_back(entry.record.get());
    return list;
}

std::vector<net::Prefix> Networks::State::taken_subnets() const {
    std::vector<net::Prefix> taken;
    for (const auto& [id, entry] : entries)
        if (!entry.record->is_config_only)
            for (const NetworkSubnet& subnet : entry.record->subnets) taken.push_back(subnet.subnet);
    return taken;
}

std::vector<net::Family> Networks::State::closed_routing() const {
    return with.config.network.ip_forward_no_drop ? std::vector<net::Family>() : routed_for_us;
}

void Networks::State::publish(std::string action, const NetworkRecord& record,
                              std::map<std::string, std::string> more) {
    more.emplace("name", record.name);
    more.emplace("type", record.driver);
    with.events.publish("network", std::move(action), record.id, std::move(more));
}

void write_network_row(db::Database& database, const std::string& id, const std::string& name,
                       const std::string& text) {
    database.run("INSERT OR REPLACE INTO networks(id, name, record) VALUES(?, ?, ?)", id, name, text);
}

// --- Networks ----------------------------------------------------------------------------------------------

Networks::Networks(Dependencies dependencies) : state_(std::make_shared<State>(dependencies)) {}
Networks::~Networks() = default;

Task<void> Networks::recover() {
    return State::recover(state_);
}

Task<void> Networks::open(bool has_rules) {
    return State::open(state_, has_rules);
}

net::FirewallChange Networks::rules() const {
    net::FirewallChange change;
    change.closed = state_->closed_routing();
    for (const auto& [id, entry] : state_->entries)
        // What can't be made may be another daemon's.
        if (entry.record->is_bridge() && entry.problem.empty())
            change.bridges.push_back(bridge_rules(*entry.record, state_->with.config));
    return change;
}

Task<void> Networks::remove_bridges() {
    std::string alias = state_->alias;
    auto remove = [alias] {
        for (const std::string& name : stray_devices(net::list_links(), alias, {})) net::remove_link(name);
    };
    return async::run_blocking(std::move(remove));
}

Task<spec::api::NetworkCreateResponse> Networks::create(spec::api::NetworkCreateRequest request) {
    Task<spec::api::NetworkCreateResponse> work = State::create(state_, std::move(request));
    return to_end(state_->with.control, std::move(work));
}

Task<void> Networks::remove(std::string reference) {
    Task<std::string> work = State::remove(state_, std::move(reference), false);
    Task<std::string> whole = to_end(state_->with.control, std::move(work));
    return without_value(std::move(whole));
}

Task<std::vector<std::string>> Networks::prune(spec::api::Filters filters) {
    Task<std::vector<std::string>> work = State::prune(state_, std::move(filters));
    return to_end(state_->with.control, std::move(work));
}

spec::api::Network Networks::inspect(std::string_view reference) const {
    const State::Entry& entry = state_->get(reference);
    spec::api::Network view = network_view(*entry.record);
    for (const auto& [container, member] : entry.members)
        view.Containers.emplace(container, member_view(member));
    return view;
}

std::vector<spec::api::Network> Networks::list(const spec::api::Filters& filters) const {
    check_list_filters(filters);
    std::vector<spec::api::Network> list;
    for (const auto& [name, id] : state_->ids) {
        const State::Entry& entry = state_->entries.at(id);
        if (is_listed(*entry.record, entry.is_used(), filters)) list.push_back(network_view(*entry.record));
    }
    return list;
}

std::shared_ptr<const NetworkRecord> Networks::get(std::string_view reference) const {
    return state_->get(reference).record;
}

std::shared_ptr<const NetworkRecord> Networks::find(std::string_view reference) const {
    State::Entry* entry = state_->find(reference);
    return entry ? entry->record : nullptr;
}

std::shared_ptr<const NetworkRecord> Networks::default_bridge() const {
    return find(kDefaultBridgeNetwork);
}

// --- members -----------------------------------------------------------------------------------------------

void Networks::joined(const NetworkRecord& network, NetworkMember member, bool is_news) {
    State::Entry& entry = state_->of(network);
    std::string container = member.container_id;
    entry.members.insert_or_assign(container, std::move(member));
    if (is_news) state_->publish("connect", *entry.record, {{"container", std::move(container)}});
}

void Networks::left(const NetworkRecord& network, const std::string& container_id) {
    auto entry = state_->entries.find(network.id);
    if (entry == state_->entries.end() || entry->second.members.erase(container_id) == 0) return;
    state_->publish("disconnect", *entry->second.record, {{"container", container_id}});
}

void Networks::disconnected(const NetworkRecord& network, const std::string& container_id) {
    state_->publish("disconnect", network, {{"container", container_id}});
}

void Networks::renamed(const std::string& container_id, const std::string& name) {
    for (auto& [id, entry] : state_->entries)
        if (auto member = entry.members.find(container_id); member != entry.members.end())
            member->second.container_name = name;
}

std::vector<NetworkMember> Networks::members(const std::string& network_id) const {
    std::vector<NetworkMember> list;
    if (auto entry = state_->entries.find(network_id); entry != state_->entries.end())
        for (const auto& [container, member] : entry->second.members) list.push_back(member);
    return list;
}

Task<std::optional<net::IpAddress>> Networks::virtual_address(const NetworkRecord& network,
                                                              std::string service) {
    Task<std::optional<net::IpAddress>> work = State::virtual_address(state_, network.id, std::move(service));
    return to_end(state_->with.control, std::move(work));
}

Task<void> Networks::drop_virtual_address(const NetworkRecord& network, std::string service) {
    Task<bool> work = State::drop_virtual_address(state_, network.id, std::move(service));
    Task<bool> whole = to_end(state_->with.control, std::move(work));
    return without_value(std::move(whole));
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/list_filters.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace berth::engine {
namespace {

constexpr std::array<std::string_view, 7> kStates = {"created",  "running", "paused", "restarting",
                                                     "removing", "exited",  "dead"};
constexpr std::array<std::string_view, 4> kHealths = {"none", "starting", "healthy", "unhealthy"};

/// "80", "80/udp", "8000-8010/tcp"
void parse_port_range(const spec::api::Filters& filters, std::string_view name, std::string_view text,
                      std::vector<std::pair<int, int>>& ranges, std::vector<std::string>& protocols) {
    size_t slash = text.find('/');
    std::string_view protocol = slash == std::string_view::npos ? "tcp" : text.substr(slash + 1);
    std::string_view ports = text.substr(0, slash);
    size_t dash = ports.find('-');
    std::optional<uint16_t> first = parse_number<uint16_t>(ports.substr(0, dash));
    std::optional<uint16_t> last =
        dash == std::string_view::npos ? first : parse_number<uint16_t>(ports.substr(dash + 1));
    if (!first || !last || *last < *first) filters.fail(name);
    ranges.emplace_back(*first, *last);
    protocols.emplace_back(protocol);
}

/// "80/tcp" within a range of its protocol.
bool is_within(std::string_view port, const std::vector<std::pair<int, int>>& ranges,
               const std::vector<std::string>& protocols) {
    size_t slash = port.find('/');
    std::string_view protocol = slash == std::string_view::npos ? "tcp" : port.substr(slash + 1);
    std::optional<int> number = parse_number<int>(port.substr(0, slash));
    if (!number) return false;
    for (size_t i = 0; i < ranges.size(); ++i)
        if (protocols[i] == protocol && *number >= ranges[i].first && *number <= ranges[i].second)
            return true;
    return false;
}

bool matches_volume(const spec::api::Filters& filters, const ContainerRecord& record) {
    if (!filters.contains("volume")) return true;
    return std::ranges::any_of(record.mounts, [&](const MountPoint& mount) {
        return filters.has("volume", mount.name.empty() ? mount.source : mount.name) ||
               filters.has("volume", mount.destination);
    });
}

bool matches_network(const std::set<std::string>& networks, const ContainerRecord& record) {
    return networks.empty() || std::ranges::any_of(record.networking.EndpointsConfig, [&](const auto& own) {
               return networks.contains(own.first);
           });
}

}  // namespace

ListCriteria::ListCriteria(const ListOptions& options)
    : filters(options.filters), all(options.all || options.limit > 0) {
    filters.validate({"ancestor", "before", "exited", "id", "isolation", "label", "name", "status", "health",
                      "since", "volume", "network", "is-task", "publish", "expose"});
    for (const std::string& text : filters.get("exited")) {
        std::optional<int> code = parse_number<int>(text);
        if (!code) filters.fail("exited");
        exit_codes.push_back(*code);
    }
    for (const std::string& text : filters.get("status")) {
        if (std::ranges::find(kStates, text) == kStates.end()) filters.fail("status");
        all = true;
    }
    for (const std::string& text : filters.get("health"))
        if (std::ranges::find(kHealths, text) == kHealths.end()) filters.fail("health");
    if (filters.contains("is-task")) is_task = filters.flag("is-task", false);
    for (const std::string& name : filters.get("network")) networks.insert(name);
    for (const std::string& text : filters.get("publish"))
        parse_port_range(filters, "publish", text, published, published_protocols);
    for (const std::string& text : filters.get("expose"))
        parse_port_range(filters, "expose", text, exposed, exposed_protocols);
}

bool ListCriteria::matches(const ContainerRecord& record, const ContainerState& state) const {
    bool runs = state.status == ContainerStatus::running || state.status == ContainerStatus::paused ||
                state.status == ContainerStatus::restarting;
    if (!runs && !all) return false;
    if (is_task.value_or(false)) return false;  // those are swarm's
    if (before_ns && record.created_ns >= *before_ns) return false;
    if (since_ns && record.created_ns <= *since_ns) return false;
    if (filters.contains("name") && !filters.pattern("name", record.name) &&
        !filters.pattern("name", "/" + record.name))
        return false;
    if (!filters.pattern("id", record.id)) return false;
    if (!filters.pattern("isolation", record.host_config.Isolation)) return false;
    if (!filters.labels("label", spec::api::items(record.config.Labels))) return false;
    if (!filters.exact("status", to_string(state.status))) return false;
    if (!filters.exact("health", to_string(state.health.status))) return false;
    if (!exit_codes.empty() &&
        (runs || state.started_ns == 0 || std::ranges::find(exit_codes, state.exit_code) == exit_codes.end()))
        return false;
    if (ancestors && !ancestors->contains(record.image_id)) return false;
    return matches_volume(filters, record) && matches_network(networks, record) && matches_ports(record);
}

bool ListCriteria::matches_ports(const ContainerRecord& record) const {
    if (!published.empty()) {
        const auto& bindings = spec::api::items(record.host_config.PortBindings);
        if (std::ranges::none_of(bindings, [&](const auto& binding) {
                return is_within(binding.first, published, published_protocols);
            }))
            return false;
    }
    return exposed.empty() || std::ranges::any_of(record.config.ExposedPorts, [&](const auto& port) {
               return is_within(port.first, exposed, exposed_protocols);
           });
}

}  // namespace berth::engine

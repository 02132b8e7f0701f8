// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/dependencies.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "engine/oci/modes.h"

namespace berth::engine {
namespace {

std::string_view label(const ContainerRecord& record, const std::string& key) {
    const auto& labels = spec::api::items(record.config.Labels);
    auto found = labels.find(key);
    return found == labels.end() ? std::string_view() : std::string_view(found->second);
}

bool is_named(const ContainerRecord& record, std::string_view reference) {
    if (reference.starts_with('/')) reference.remove_prefix(1);
    if (reference.empty()) return false;
    return record.name == reference || record.id.starts_with(reference);
}

/// Part of the same Compose project, and the service `name`.
bool is_service(const ContainerRecord& record, std::string_view project, std::string_view name) {
    return label(record, "com.docker.compose.project") == project &&
           label(record, "com.docker.compose.service") == name;
}

bool depends_on(const ContainerRecord& record, const ContainerRecord& other) {
    const spec::api::HostConfig& host = record.host_config;
    for (const std::string* mode : {&host.NetworkMode, &host.IpcMode, &host.PidMode})
        if (is_named(other, joined_container(*mode))) return true;
    for (const std::string& from : spec::api::items(host.VolumesFrom))
        if (is_named(other, std::string_view(from).substr(0, from.find(':')))) return true;
    for (const std::string& link : spec::api::items(host.Links))
        if (is_named(other, std::string_view(link).substr(0, link.find(':')))) return true;
    std::string_view project = label(record, "com.docker.compose.project");
    if (project.empty()) return false;
    // "db:service_healthy:true,cache:service_started:false"
    for (std::string_view entry : split(label(record, "com.docker.compose.depends_on"), ','))
        if (is_service(other, project, trim(entry.substr(0, entry.find(':'))))) return true;
    return false;
}

/// Nearly all depend on nobody: that is found out once.
bool names_others(const ContainerRecord& record) {
    const spec::api::HostConfig& host = record.host_config;
    return is_container_mode(host.NetworkMode) || is_container_mode(host.IpcMode) ||
           is_container_mode(host.PidMode) || !spec::api::items(host.VolumesFrom).empty() ||
           !spec::api::items(host.Links).empty() || !label(record, "com.docker.compose.depends_on").empty();
}

}  // namespace

std::vector<std::vector<size_t>> start_levels(const std::vector<const ContainerRecord*>& records) {
    std::vector<std::vector<size_t>> levels;
    std::vector<size_t> waiting(records.size());
    for (size_t i = 0; i < waiting.size(); ++i) waiting[i] = i;
    while (!waiting.empty()) {
        std::vector<size_t> ready;
        std::ranges::copy_if(waiting, std::back_inserter(ready), [&](size_t i) {
            return !names_others(*records[i]) || std::ranges::none_of(waiting, [&](size_t other) {
                return other != i && depends_on(*records[i], *records[other]);
            });
        });
        if (ready.empty()) ready = waiting;  // a circle: in any order
        std::erase_if(waiting, [&](size_t i) { return std::ranges::find(ready, i) != ready.end(); });
        levels.push_back(std::move(ready));
    }
    return levels;
}

}  // namespace berth::engine

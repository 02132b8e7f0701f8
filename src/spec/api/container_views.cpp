// SPDX-License-Identifier: Apache-2.0
#include "spec/api/container_views.h"

#include "base/json_write.h"

namespace berth::spec::api {

using json::Omit;

json::Value encode_container_inspect(const ContainerInspect& container) {
    return json::encode(container, Omit::declared);
}

json::Value encode_container_summary(const ContainerSummary& container) {
    return json::encode(container, Omit::declared);
}

void append_container_summary(std::string& text, const ContainerSummary& container) {
    json::append(text, container, Omit::declared);
}

json::Value encode_mount_point(const MountPoint& mount) {
    return json::encode(mount, Omit::declared);
}

json::Value encode_network_settings(const NetworkSettings& settings) {
    return json::encode(settings, Omit::declared);
}

json::Value encode_create_response(const CreateResponse& response) {
    return json::encode(response, Omit::declared);
}

json::Value encode_container_update_response(const ContainerUpdateResponse& response) {
    return json::encode(response, Omit::declared);
}

json::Value encode_wait_response(const WaitResponse& response) {
    return json::encode(response, Omit::declared);
}

json::Value encode_top_response(const TopResponse& response) {
    return json::encode(response, Omit::declared);
}

json::Value encode_changes(const std::vector<Change>& changes) {
    return changes.empty() ? json::Value(nullptr) : json::encode(changes, Omit::declared);
}

json::Value encode_exec_inspect(const ExecInspect& exec) {
    return json::encode(exec, Omit::declared);
}

json::Value encode_prune_report(const PruneReport& report) {
    return json::encode(report, Omit::declared);
}

json::Value encode_path_stat(const PathStat& stat) {
    return json::encode(stat, Omit::declared);
}

json::Value encode_stats(const StatsResponse& stats) {
    return json::encode(stats, Omit::declared);
}

}  // namespace berth::spec::api

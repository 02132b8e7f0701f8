// SPDX-License-Identifier: Apache-2.0
#include "spec/api/container_views.h"

namespace berth::spec::api {

ContainerInspect decode_container_inspect(const json::Value& from) {
    return json::decode<ContainerInspect>(from);
}

ContainerSummary decode_container_summary(const json::Value& from) {
    return json::decode<ContainerSummary>(from);
}

ExecInspect decode_exec_inspect(const json::Value& from) {
    return json::decode<ExecInspect>(from);
}

StatsResponse decode_stats(const json::Value& from) {
    return json::decode<StatsResponse>(from);
}

MountPoint decode_mount_point(const json::Value& from) {
    return json::decode<MountPoint>(from);
}

}  // namespace berth::spec::api

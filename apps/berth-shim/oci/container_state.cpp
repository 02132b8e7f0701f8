// SPDX-License-Identifier: Apache-2.0
#include "container_state.h"

#include "base/json.h"
#include "base/strings.h"

namespace berth::oci {

std::string state_json(const ContainerState& state, bool indented) {
    json::Object object;
    object.emplace("ociVersion", state.ociVersion);
    object.emplace("id", state.id);
    object.emplace("pid", state.pid);
    object.emplace("status", state.status);
    object.emplace("bundle", state.bundle);
    object.emplace("rootfs", state.rootfs);
    object.emplace("created", state.created);
    if (!state.annotations.empty()) object.emplace("annotations", json::encode(state.annotations));
    object.emplace("owner", state.owner);
    return indented ? json::print_indented(object) : json::print(object);
}

ContainerState container_state(const runtime::Container& container) {
    spec::State state = container.state();
    return {.ociVersion = state.ociVersion,
            .id = state.id,
            .pid = state.pid,
            .status = state.status,
            .bundle = state.bundle,
            .rootfs = container.rootfs(),
            .created = rfc3339(container.created_ns()),
            .annotations = state.annotations,
            .owner = container.owner()};
}

}  // namespace berth::oci

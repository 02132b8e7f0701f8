// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "runtime/container.h"

namespace berth::oci {

/// What `state` and `list --format json` print of a container: the specification's state and what runc adds
/// to it.
struct ContainerState {
    std::string ociVersion;
    std::string id;
    int32_t pid = 0;  ///< 0 once it has stopped
    std::string status;
    std::string bundle;
    std::string rootfs;
    std::string created;  ///< RFC 3339, UTC
    std::map<std::string, std::string> annotations;
    std::string owner;
};

ContainerState container_state(const runtime::Container& container);
/// Without a newline at the end.
std::string state_json(const ContainerState& state, bool indented);

}  // namespace berth::oci

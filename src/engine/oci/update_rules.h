// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// What `update` makes of a container's limits.
struct UpdatePlan {
    spec::api::HostConfig host_config;  ///< to be recorded
    spec::Resources resources;          ///< only what changes: for the shim's `update` where it runs
    std::vector<std::string> warnings;
};

/// invalid_argument for values that are wrong, conflict ("Cannot update container <id>: …") for those that
/// contradict what the container has.
UpdatePlan apply_update_rules(const std::string& id, const spec::api::HostConfig& now,
                              spec::api::UpdateRequest request, const HostFacts& host);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// A process that joins a running container (`docker exec`, a health check). References are borrowed.
struct ExecInput {
    const std::string& id;                     ///< the container's
    const spec::api::ContainerConfig& config;  ///< as recorded
    const spec::api::HostConfig& host_config;
    const spec::api::ExecCreateRequest& request;
    const DaemonConfig& daemon;
    const HostFacts& host;
    /// A descriptor of the running container's root folder (/proc/<pid>/root), borrowed; -1: numeric users
    /// only.
    int root = -1;
    /// "DB_PORT=tcp://…", which the container's own override.
    std::vector<std::string> link_variables = {};
};

/// The container's own process with the request's command, user, variables, folder and terminal; Privileged
/// gives all capabilities. Any thread. invalid_argument as find_user().
spec::Process build_exec_process(const ExecInput& input);

}  // namespace berth::engine

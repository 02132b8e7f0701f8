// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "engine/oci/security_options.h"
#include "spec/api/container_config.h"
#include "spec/runtime.h"

/// What a container's first process and those that join it later have in common.
namespace berth::engine {

/// User, capabilities, limits, no-new-privileges, OOM score and labels.
spec::Process base_process(const std::string& id, spec::User user, const spec::api::HostConfig& host_config,
                           const SecurityOptions& options, uint64_t capabilities, const DaemonConfig& daemon,
                           const HostFacts& host);

/// HostConfig's Ulimits, and the daemon's defaults for what they don't name.
std::vector<spec::Rlimit> process_limits(const spec::api::HostConfig& host_config,
                                         const DaemonConfig& daemon);

/// Clean and absolute; "/" where none is given.
std::string working_folder(const std::string& path);

}  // namespace berth::engine

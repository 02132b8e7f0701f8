// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "engine/oci/create_rules.h"

/// The parts of apply_create_rules(), in the order in which dockerd makes them. All throw as it does;
/// warnings are appended.
namespace berth::engine {

/// Whether network mode and the rest of the request go together.
void check_network_mode(const spec::api::ContainerConfig& config, const spec::api::HostConfig& host_config);

/// Working folder, signal, variables, health check.
void check_container_config(const spec::api::ContainerConfig& config);

/// Restart policy, hosts, ports, capabilities, limits of processes, devices: what any host would say.
void check_host_config(const spec::api::HostConfig& host_config);

/// Modes, sysctls, runtime, user namespaces, security options.
void check_platform_config(const spec::api::HostConfig& host_config, const DaemonConfig& daemon,
                           const HostFacts& host, std::vector<std::string>& warnings);

}  // namespace berth::engine

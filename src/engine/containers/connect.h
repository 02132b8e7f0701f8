// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// A container's networks: what it is created with, and how they change.
namespace berth::engine {

/// Networks by their names, that of the mode among them. Throws as dockerd for settings that the network
/// can't have, and for labels of services that say nothing.
spec::api::NetworkingConfig configured_networks(const Roster& roster,
                                                const spec::api::ContainerConfig& config,
                                                const spec::api::HostConfig& host_config,
                                                spec::api::NetworkingConfig asked);

/// `network connect`:
///
///   checks -> where it runs: endpoint (Sandboxes::add_endpoint) -> record committed -> files in /etc
///
/// and `disconnect`: record committed -> endpoint removed -> files. So what a kill -9 leaves is an endpoint
/// that the record doesn't have, which adoption removes.
async::Task<void> connect_container(RosterPointer roster, ContainerPointer container, std::string network,
                                    spec::api::EndpointSettings settings);
/// `force`: also where the network is gone.
async::Task<void> disconnect_container(RosterPointer roster, ContainerPointer container, std::string network,
                                       bool force);

}  // namespace berth::engine

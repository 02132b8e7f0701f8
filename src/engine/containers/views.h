// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// What the API shows of containers.
namespace berth::engine {

async::Task<spec::api::ContainerInspect> inspect_container(RosterPointer roster, ContainerPointer container,
                                                           bool size);
/// The latest first.
async::Task<std::vector<spec::api::ContainerSummary>> list_containers(RosterPointer roster,
                                                                      ListOptions options);
/// `ps` of the host, run by the daemon, with the lines of the container's processes.
async::Task<spec::api::TopResponse> container_processes(RosterPointer roster, ContainerPointer container,
                                                        std::string ps_arguments);
/// The lines of ps' output whose PID is among `pids`. Throws internal where there is no such column.
spec::api::TopResponse select_processes(std::string_view ps_output, const std::vector<pid_t>& pids);
async::Task<std::vector<spec::api::Change>> container_changes(RosterPointer roster,
                                                              ContainerPointer container);
async::Task<std::shared_ptr<RootView>> container_root(RosterPointer roster, ContainerPointer container);

// --- what inspect and list share ---------------------------------------------------------------------------

spec::api::MountPoint show_mount(const MountPoint& mount);
/// With what it has while it runs.
spec::api::NetworkSettings shown_network_settings(const Roster& roster, const ManagedContainer& container);

}  // namespace berth::engine

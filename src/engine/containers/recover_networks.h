// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "engine/containers/roster.h"
#include "engine/networks/sandboxes.h"

/// The networks' part of recovery, in the order of its functions (engine/networks/sandboxes.h).
namespace berth::engine {

/// By container.
using KeptNetworks = std::map<std::string, SandboxRecord>;

/// Of those of `bundles` that have not ended. Blocking. What can't be read is logged.
KeptNetworks read_networks(const std::string& folder, const std::set<std::string>& bundles);

/// Before any shim is asked: what one that doesn't answer has is not given to others.
void claim_networks(const RosterPointer& roster, KeptNetworks kept);

/// For the container's queue: it runs, as its shim says; `state` is what is known by that. Never throws.
async::Task<void> adopt_network(RosterPointer roster, ContainerPointer container,
                                std::shared_ptr<shim::AsyncClient> shim, ContainerState state);
/// For the container's queue: it doesn't run.
async::Task<void> forget_network(RosterPointer roster, ContainerPointer container);
/// Its shim does not answer, and the database says that it runs. Never throws.
async::Task<void> show_network(RosterPointer roster, ContainerPointer container);

/// All of what is known goes to the kernel. Then each container's connect or disconnect that was cut short is
/// undone in its queue; no longer than `patience` is waited for that.
async::Task<void> restore_networks(RosterPointer roster, std::chrono::milliseconds patience);

}  // namespace berth::engine

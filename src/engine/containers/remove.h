// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// Removing a container:
///
///   killed if it runs (force) -> row deleted: from here on it is gone -> name freed, volumes released
///   -> event `destroy`, answered
///   -> in the background: the shim lets go of everything, then snapshot and folder go
///
/// What kill -9 leaves of the second part has no record: the next start of the daemon removes it. What fails
/// in the first part leaves a container that is `dead`.
namespace berth::engine {

async::Task<void> remove_container(RosterPointer roster, ContainerPointer container, RemoveOptions options);
/// --rm: in the background, with its anonymous volumes.
void remove_soon(RosterPointer roster, ContainerPointer container);

/// From the row on. For the container's queue, and for recovery.
async::Task<void> finish_removal(RosterPointer roster, ContainerPointer container, bool with_volumes);

/// Until nothing is left to be cleaned up, or `limit` has passed.
async::Task<void> wait_for_cleanups(RosterPointer roster, std::chrono::seconds limit);

async::Task<spec::api::PruneReport> prune_containers(RosterPointer roster, spec::api::Filters filters);

}  // namespace berth::engine

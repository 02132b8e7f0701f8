// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// Removing a container:
///
///   killed if it runs (force) -> the shim has let go -> snapshot -> volumes released -> folder -> row
///   deleted
///   -> event `destroy`
///
/// The snapshot is the point of no return: a record without one is of a removal that kill -9 cut short, which
/// is ended at the next start of the daemon. What fails leaves a container that is `dead`.
namespace berth::engine {

async::Task<void> remove_container(RosterPointer roster, ContainerPointer container, RemoveOptions options);
/// --rm: in the background, with its anonymous volumes.
void remove_soon(RosterPointer roster, ContainerPointer container);

/// What is left to do once nothing runs any more; for the container's queue, and for recovery.
async::Task<void> finish_removal(RosterPointer roster, ContainerPointer container, bool with_volumes);

async::Task<spec::api::PruneReport> prune_containers(RosterPointer roster, spec::api::Filters filters);

}  // namespace berth::engine

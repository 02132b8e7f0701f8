// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/bundle.h"
#include "engine/containers/roster.h"

/// Starting a container:
///
///   volumes mounted -> addresses, host ports, a network namespace
///   -> bundle, shim, container created (one job on the pool); beside it interfaces, packet rules, names
///   -> connection adopted
///   -> waiting streams bound -> program executed -> state committed -> event `start`
///
/// What fails undoes what was made before. After kill -9 the bundle is there: see recover.h.
namespace berth::engine {

enum class StartCause { user, policy };

/// For the container's queue. Throws not_modified where it runs.
async::Task<void> start_container(RosterPointer roster, ContainerPointer container, StartCause cause);

/// Lets go of what a container had while it ran: its network first, shared memory, volumes' mounts. Failures
/// are logged.
async::Task<void> release_resources(RosterPointer roster, ContainerPointer container);

}  // namespace berth::engine

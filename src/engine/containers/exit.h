// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"
#include "shim/client_async.h"
#include "shim/exit_record.h"

/// The end of a container's run:
///
///   event `exited`, or the connection ends and exit.json or shim::recover() says how
///   -> listeners of the exit -> state exited or restarting, event `die` -> waiters
///   -> committed; meanwhile the shim lets go, then the bundle goes
///   -> removal (--rm) or the next start (restart policy), in the background
///
/// exit.json stays until the state is committed: kill -9 loses no exit.
namespace berth::engine {

/// What the shim of `life` tells. Holds the container and the roster.
shim::AsyncClient::Listener shim_listener(RosterPointer roster, ContainerPointer container,
                                          std::shared_ptr<Life> life);

/// For the container's queue: nothing where the life is over already.
async::Task<void> record_exit(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                              shim::ExitRecord exit);

/// After `delay`, in the background, unless somebody stops, starts or removes it before. For a container
/// whose state is `restarting`.
void restart_later(RosterPointer roster, ContainerPointer container, std::chrono::milliseconds delay);

}  // namespace berth::engine

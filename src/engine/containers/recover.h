// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// The daemon's start: every container gets the state that it has.
///
///   bundle?  shim answers       -> running (adopted), or ended while nobody looked: recorded
///            shim is dead       -> exit.json, or shim::recover() kills what is left: recorded
///            never started      -> undone: the container is as before its start
///   no bundle, but `running`    -> ended with 255: nothing is left that tells (another boot)
///   record without snapshot     -> its removal is ended
///   snapshot or folder without record -> removed: its creation was cut short
///   --rm and not running        -> removed
///
/// After another boot no process of before lives: shims and runtime states are not asked, exit.json counts.
namespace berth::engine {

async::Task<void> recover_containers(RosterPointer roster);

/// Those that restart policies want, dependencies first, in the background.
async::Task<void> start_wanted(RosterPointer roster);

/// Stops all in the reverse order of their dependencies; those that don't end within `limit` are killed.
async::Task<void> stop_all(RosterPointer roster, std::chrono::seconds limit);

}  // namespace berth::engine

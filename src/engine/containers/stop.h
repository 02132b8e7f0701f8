// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/containers/roster.h"

/// Signals, and what ends a container by a user's will. The waits are outside of the container's queue: a
/// kill need not wait for a stop's time-out.
namespace berth::engine {

/// not_modified where it doesn't run. A container that waits for its next restart is `exited` at once.
async::Task<void> stop_container(RosterPointer roster, ContainerPointer container, StopOptions options);
async::Task<void> restart_container(RosterPointer roster, ContainerPointer container, StopOptions options);
/// With SIGKILL it returns when the container has ended.
async::Task<void> kill_container(RosterPointer roster, ContainerPointer container, std::string signal);
/// SIGKILL, and waits. unavailable where it lives after `limit`.
async::Task<void> kill_and_wait(RosterPointer roster, ContainerPointer container, std::chrono::seconds limit);

async::Task<void> pause_container(RosterPointer roster, ContainerPointer container);
async::Task<void> unpause_container(RosterPointer roster, ContainerPointer container);

async::Task<WaitResult> wait_for_container(ContainerPointer container, WaitCondition condition,
                                           std::function<void()> registered);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

/// /dev/shm of containers with the ipc mode "shareable": a tmpfs that is mounted in the daemon's own mount
/// namespace, so that containers that join its IPC namespace can be given it too.
namespace berth::engine {

/// Mounts a tmpfs on `folder`, which is made; nothing is done where there is one already (after a restart of
/// the daemon). Blocking.
void mount_shared_memory(const std::string& folder, int64_t bytes);
/// Lets go of it; those who use it keep it. Absent is fine.
void unmount_shared_memory(const std::string& folder);

}  // namespace berth::engine

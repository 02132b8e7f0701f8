// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/oci/config_builder.h"

namespace berth::engine {

/// All of a container's mounts, folders before what lies in them: /proc, /dev, /sys and so on as its modes
/// want them, the files in /etc, /dev/shm, the user's, --init's program.
std::vector<spec::Mount> container_mounts(const BuildInput& input);

/// Whether PID 1 is the daemon's init: HostConfig.Init or the daemon's default, in a PID namespace of its
/// own.
bool uses_init(const BuildInput& input);
inline constexpr const char* kInitPath = "/sbin/docker-init";

}  // namespace berth::engine

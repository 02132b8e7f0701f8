// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "engine/containers/record.h"

namespace berth::engine {

/// The order in which containers are started, as indexes: those of a level depend on earlier levels only
/// (where they don't depend on each other in a circle). What a container depends on: whom it names in
/// network, ipc and pid modes "container:x", --volumes-from and links; and the services in its label
/// com.docker.compose.depends_on. What is not among them counts as started.
std::vector<std::vector<size_t>> start_levels(const std::vector<const ContainerRecord*>& records);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "engine/containers/record.h"

/// What `docker ps` says of a container's state.
namespace berth::engine {

/// "5 minutes", "About an hour", "2 weeks": Docker's words for a duration.
std::string human_duration(int64_t duration_ns);
/// "Up 4 minutes (healthy)", "Exited (0) 2 hours ago", "Created".
std::string status_text(const ContainerState& state, int64_t now_ns);

}  // namespace berth::engine

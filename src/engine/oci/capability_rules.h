// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// "chown", "CAP_CHOWN" to "CAP_CHOWN", "all" to "ALL". invalid_argument "invalid CapAdd: unknown capability:
/// "CAP_X""; `field` is "CapAdd" or "CapDrop".
std::vector<std::string> normalize_capabilities(const spec::api::Strings& names, std::string_view field);

/// What a container may: Docker's 14, with CapDrop and CapAdd; all of `available` where it is privileged (or
/// adds ALL). Bit n is capability n.
uint64_t container_capabilities(const spec::api::HostConfig& host_config, uint64_t available);

/// The bounding set, and for root the effective and permitted ones; nothing is inherited. Programs of other
/// users get capabilities only from their files.
spec::Capabilities capability_lists(uint64_t set, uint32_t uid);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "spec/api/container_config.h"
#include "spec/runtime.h"

namespace berth::engine {

/// HostConfig's limits as linux.resources, without the device rules. What isn't limited is left out. Looks up
/// the devices of BlkioDevice…: invalid_argument "stat /dev/x: no such file or directory".
spec::Resources resource_spec(const spec::api::Resources& limits);

}  // namespace berth::engine

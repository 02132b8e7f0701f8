// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "store/lock_file.h"

namespace berth::engine {

/// Held from looking at the host's routes until the bridge has its address: else two daemons of one machine
/// that start at the same time would choose the same subnet. Blocking, but no longer than 2 s: a daemon that
/// stands still keeps nobody from starting. Nothing where there is no lock to be had.
std::optional<store::LockFile> lock_subnets();

}  // namespace berth::engine

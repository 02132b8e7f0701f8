// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace berth::sys {

/// Moves a network device of the caller's network namespace into another (runtime-spec config-linux.md,
/// "Network Devices"): it goes down, moves, is renamed to `new_name` (empty: keeps its name) in the same
/// step, gets back its permanent addresses of global scope, which the kernel drops on the way, and goes up.
/// MTU, hardware address and the like stay.
///
/// The calling thread joins `netns_fd` for the length of one socket(2) call. Throws not_found when there is
/// no such device
/// ("network device eth7: no such device"), conflict when the name is taken there. If a step after the move
/// fails the device stays in the target namespace.
void move_device(const std::string& name, int netns_fd, const std::string& new_name = {});

}  // namespace berth::sys

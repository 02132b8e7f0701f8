// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace berth::engine {

/// The mount that a path of the host lies on, by /proc/self/mountinfo.
struct SourceMount {
    std::string point;  ///< where it is mounted
    bool is_shared = false, is_slave = false;
};
SourceMount source_mount(const std::string& path);

/// Throws invalid_argument "path /x is mounted on /y but it is not a shared mount" unless propagation of that
/// kind ("rshared", "slave", …) can work from `path`; private ones always can.
void check_propagation(const std::string& path, std::string_view propagation);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "spec/runtime.h"

/// Capabilities by name and number (capabilities(7)), and the five sets of process.capabilities as bit masks
/// for the raw capset(2) and prctl(2) calls: bit n is capability n.
namespace berth::runtime {

struct CapabilitySets {
    uint64_t bounding = 0;
    uint64_t effective = 0;
    uint64_t inheritable = 0;
    uint64_t permitted = 0;
    uint64_t ambient = 0;
    bool operator==(const CapabilitySets&) const = default;
};

/// "CAP_CHOWN" is 0, and so on. Nothing for an unknown name.
std::optional<int> capability_number(std::string_view name);
/// All names that Berth knows, by number, whatever the kernel.
std::span<const std::string_view> capability_names();

/// Those that the running kernel knows (kernel.cap_last_cap).
uint64_t kernel_capabilities();
/// The calling process's bounding set. A process in a user namespace of its own making starts with all of
/// kernel_capabilities() instead.
uint64_t own_bounding_set();

/// The sets, as far as they can be had: `available` is the bounding set of the process that will apply them.
/// What is unknown, outside `available`, effective but not permitted, or ambient but not both permitted and
/// inheritable is left out, with a warning that names the field and lists the capabilities.
CapabilitySets make_capability_sets(const spec::Capabilities& capabilities, uint64_t available,
                                    std::string_view field = "process.capabilities");

}  // namespace berth::runtime

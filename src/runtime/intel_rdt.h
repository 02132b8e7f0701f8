// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "spec/runtime.h"

/// Cache and memory bandwidth allocation (linux.intelRdt) through the kernel's resctrl file system
/// (Documentation/arch/x86/resctrl.rst). A class of service is a folder there.
namespace berth::runtime {

/// What the container has of resctrl; kept in its state so that `delete` can give it back.
struct RdtGroup {
    std::string group;       ///< folder of the class of service
    bool owned = false;      ///< made for this container, removed with it
    std::string monitoring;  ///< folder of its monitoring group, or empty
};

/// Where resctrl is mounted. Nothing if it is not.
std::optional<std::string> find_resctrl();

/// Makes or finds the class of service (closID, else the container's id) in `resctrl`, writes or compares its
/// schemata, and puts `pid` into it. Nothing, with a warning, where the host has no resctrl. After an Error
/// nothing of it is left.
std::optional<RdtGroup> apply_intel_rdt(const spec::IntelRdt& config, std::string_view id, pid_t pid,
                                        const std::optional<std::string>& resctrl = find_resctrl());

/// Removes what apply_intel_rdt made. What is already gone is fine.
void remove_intel_rdt(const RdtGroup& group);

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "spec/runtime.h"
#include "sys/cgroup.h"
#include "sys/device_filter.h"

/// linux.resources → files of a cgroup (config-linux.md, Control groups), for v1, hybrid and v2.
///
/// The values have passed validate_resources(). A limit whose controller (or file) the host doesn't have is
/// left out with a warning that names the field. A value that the kernel refuses is an Error that names the
/// field
/// ("linux.resources.memory.limit: …"). 0 leaves a limit as it is, except where 0 is itself a limit (swap
/// off, burst).
namespace berth::runtime {

/// Gives a new cgroup its limits and its device rules. Also for a container without linux.resources (the
/// device rules). `with_devices` false leaves device access as it is inherited: for a runtime without
/// privileges on the host, where it can't be set. Realtime limits must be in force before a process joins;
/// the others may be, too.
void apply_resources(const sys::Cgroup& cgroup, const spec::Resources& resources, bool with_devices = true);

/// Changes the limits of a running container: only what `resources` holds. Device rules change only if there
/// are some (v1: for a moment only the default devices can be opened). With memory.checkBeforeUpdate a limit
/// below the present usage is refused (conflict).
void update_resources(const sys::Cgroup& cgroup, const spec::Resources& resources);

/// linux.resources.devices, then what every container may use: null, zero, full, random, urandom, tty, ptmx,
/// pts, and mknod of anything (a node that may not be opened is harmless). The first rule decides about all
/// devices, no other does. invalid_argument: names the field.
std::vector<sys::DeviceRule> device_rules(const std::vector<spec::DeviceRule>& rules);

/// --- v1's values as v2's: the conversions that every OCI runtime uses

/// cpu.shares (2…262144) to cpu.weight (1…10000).
uint64_t cpu_weight(uint64_t shares);
/// blkio.weight (10…1000) to io.weight (1…10000).
uint64_t io_weight(uint64_t weight);
/// Memory and swap together, as v1 counts, to swap alone; -1 is no limit, nothing: leave it as it is. `limit`
/// is the memory limit, 0 where it isn't known. invalid_argument: linux.resources.memory.swap.
std::optional<int64_t> swap_only(int64_t memory_and_swap, int64_t limit);

}  // namespace berth::runtime

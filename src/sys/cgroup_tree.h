// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

/// One directory of one cgroup hierarchy, and what is below. sys/cgroup.h puts the hierarchies together.
namespace berth::sys {

/// "/a/b" → "/a".
std::string_view cgroup_parent(std::string_view path);

/// Whether the blank-separated `list` (cgroup.controllers, cgroup.subtree_control) has all `names`.
bool lists_all(std::string_view list, const std::vector<std::string_view>& names);

/// The cgroups directly below, as paths. None if `dir` is gone.
std::vector<std::string> cgroup_children(const std::string& dir);

/// Adds the processes of `dir` (and below) to `into`. None if it is gone.
void read_cgroup_processes(const std::string& dir, bool all_below, std::vector<pid_t>& into);

/// Removes what is below, then `dir`. Waits for processes that are about to end; conflict when `deadline` has
/// passed.
void remove_cgroup_dir(const std::string& dir, std::chrono::steady_clock::time_point deadline);

/// Gives a v1 cpuset its parent's cpus and mems where it has none (it takes no process before), parents
/// first.
void fill_cpuset(const std::string& dir, const std::string& mount_point);

/// Enables `controllers` for the children of the cgroup2 directory `dir`, and before for those of its
/// ancestors up to the mount. What the kernel refuses (processes in an inner cgroup, real-time tasks, no
/// permission) stays off.
void enable_controllers(const std::string& dir, const std::string& mount_point,
                        const std::vector<std::string_view>& controllers);

}  // namespace berth::sys

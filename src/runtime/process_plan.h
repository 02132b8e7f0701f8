// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>

#include "runtime/plan_builder.h"
#include "runtime/seccomp.h"
#include "spec/runtime.h"

namespace berth::runtime {

struct ProcessContext {
    std::array<int, 3> stdio = {0, 1, 2};
    int preserve_fds = 0;
    bool in_user_namespace = false;
    bool groups_required =
        true;  ///< false where setgroups(2) may be denied, in user namespaces without root's rights
    std::string program;  ///< empty: args[0]
    bool exec = false;    ///< execCPUAffinity counts
};

/// Which labels the host can give.
bool apparmor_enabled();
bool selinux_enabled();

/// linux.personality and linux.memoryPolicy, which belong to the container's first process.
void plan_policies(PlanBuilder& builder, const spec::Linux& platform);

/// The last steps of `create` (or of an exec's first half): working directory, a look for the program, stdio,
/// the wait for `start` (on the listening socket, or -1: on the sync socket).
void plan_wait(PlanBuilder& builder, const spec::Process& process, const ProcessContext& context,
               int listener);

/// What happens to a process after `start` was said: labels, limits, scheduling, user, capabilities, seccomp.
/// `filter` (may be null) must live as long as the builder. The program itself is set too.
void plan_process(PlanBuilder& builder, const spec::Process& process, const CompiledFilter* filter,
                  const ProcessContext& context);

/// "0-2,5" as a CPU mask for sched_setaffinity(2), or node mask. Throws invalid_argument naming `field`.
std::vector<unsigned long> parse_cpu_list(std::string_view list, std::string_view field);

/// Descriptors 3 … 3+n-1 must be open, and inherited (not ours). Throws invalid_argument.
void check_preserved(int count);

/// oom_score_adj of the new process. What the host refuses is left out with a warning.
void write_oom_score(pid_t pid, const spec::Process& process);

/// Raises hard limits of the new process from outside, where it can't do so itself (in a user namespace).
void raise_rlimits(pid_t pid, const spec::Process& process);

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "spec/runtime.h"
#include "sys/process.h"

namespace berth::runtime {

/// Runs `hooks` one after the other, each with `state` on stdin (config.md, POSIX-platform Hooks). `target`
/// is the process whose namespaces they run in (createContainer), or 0: the runtime's. The first failure is
/// thrown ("hooks.createRuntime[0] (/bin/x): exit status 3: …").
void run_hooks(const std::vector<spec::Hook>& hooks, std::string_view name, const spec::State& state,
               pid_t target = 0);

/// Throws if a hook failed; `output` is what it printed.
void check_hook_status(const sys::ExitStatus& status, std::string_view output);

/// For poststop: failures are warnings, and the others run all the same.
void run_hooks_leniently(const std::vector<spec::Hook>& hooks, std::string_view name,
                         const spec::State& state) noexcept;

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "launch/plan.h"
#include "runtime/plan_builder.h"
#include "spec/runtime.h"
#include "sys/process.h"

namespace berth::runtime {

/// The parent's side of a launch (the child's, and the talk between the two: launch/child.h). Until release()
/// the destructor kills the child.
class Launcher {
  public:
    /// Clones. `builder` must outlive the launcher. `timeout`: the longest wait for a report.
    explicit Launcher(PlanBuilder& builder, std::optional<std::chrono::milliseconds> timeout = std::nullopt);

    /// Waits until the child says something: the phase that it reached, or its seccomp listener. A failure is
    /// thrown with the builder's words. Nothing: the program was executed.
    std::optional<launch::Report> next();
    /// Waits for the child to reach `phase`; throws also when it ended before.
    void expect(launch::Phase phase);
    /// Lets it go on.
    void go();

    sys::Child& process() { return process_; }
    UniqueFd& sync() { return sync_; }
    /// The descriptor that came with the last report.
    UniqueFd take_descriptor() { return std::move(received_); }

  private:
    void clone_direct(const launch::Plan& plan, UniqueFd& child_end);
    void clone_staged(const launch::Plan& plan, UniqueFd& child_end);

    PlanBuilder& builder_;
    UniqueFd sync_;
    sys::Child process_;
    UniqueFd received_;
};

/// After `go`: returns when the program runs (the child's end of `sync` closes by itself at execve), throws
/// with the words of `builder` if it doesn't.
void await_execution(int sync, const PlanBuilder& builder,
                     const std::function<void(const launch::Report&)>& on_listener);

/// Fetches the seccomp listener that `report` announces out of process `pid`, hands it to the agent at
/// linux.seccomp.listenerPath, and lets the process go on.
void pass_listener(pid_t pid, const launch::Report& report, const spec::Seccomp& seccomp,
                   const spec::State& state);

/// Reads one report from a sync socket. Nothing at end of file.
std::optional<launch::Report> receive_report(int sync, UniqueFd* descriptor = nullptr);

}  // namespace berth::runtime

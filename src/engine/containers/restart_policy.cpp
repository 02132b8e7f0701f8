// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/restart_policy.h"

#include <algorithm>

namespace berth::engine {
namespace {

constexpr std::chrono::milliseconds kFirstDelay{100};
constexpr std::chrono::milliseconds kLongestDelay = std::chrono::minutes(1);
constexpr std::chrono::seconds kRanWell{10};

bool failure_wants_restart(const spec::api::RestartPolicy& policy, int exit_code, int restarts) {
    return exit_code != 0 && (policy.MaximumRetryCount == 0 || restarts < policy.MaximumRetryCount);
}

}  // namespace

bool wants_restart(const spec::api::RestartPolicy& policy, int exit_code, bool stopped_by_user,
                   int restarts) {
    if (stopped_by_user) return false;
    if (policy.Name == "always" || policy.Name == "unless-stopped") return true;
    return policy.Name == "on-failure" && failure_wants_restart(policy, exit_code, restarts);
}

bool wants_start_with_daemon(const spec::api::RestartPolicy& policy, const ContainerState& state) {
    if (state.started_ns == 0) return false;
    if (policy.Name == "always") return true;
    return wants_restart(policy, state.exit_code, state.stopped_by_user, state.restart_count);
}

std::chrono::milliseconds RestartBackoff::next(std::chrono::nanoseconds ran_for) {
    if (ran_for > kRanWell) reset();
    last_ = last_.count() == 0 ? kFirstDelay : std::min(last_ * 2, kLongestDelay);
    return last_;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "engine/containers/record.h"

/// When a container that ended is started again, and after how long.
namespace berth::engine {

/// After an exit while the daemon runs. `restarts`: so many times already since a user started it.
bool wants_restart(const spec::api::RestartPolicy& policy, int exit_code, bool stopped_by_user, int restarts);
/// At the daemon's start, for one that was started before and doesn't run: `always` starts also what a user
/// had stopped, as Docker does.
bool wants_start_with_daemon(const spec::api::RestartPolicy& policy, const ContainerState& state);

/// 100 ms, doubled with each restart up to a minute; anew once the container ran for 10 s.
class RestartBackoff {
  public:
    std::chrono::milliseconds next(std::chrono::nanoseconds ran_for);
    void reset() { last_ = std::chrono::milliseconds(0); }

  private:
    std::chrono::milliseconds last_{0};
};

}  // namespace berth::engine

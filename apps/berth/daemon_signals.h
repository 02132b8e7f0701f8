// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "async/context.h"
#include "async/descriptor.h"

namespace berth::app {

/// The signals that steer the daemon, one after the other, none lost: SIGTERM and SIGINT (end), SIGUSR2 (end,
/// containers too), SIGHUP (reload). The second one that asks for the end ends the process at once, wherever
/// it hangs. One object for a process.
class DaemonSignals {
  public:
    explicit DaemonSignals(async::Context& context);
    DaemonSignals(const DaemonSignals&) = delete;
    DaemonSignals& operator=(const DaemonSignals&) = delete;
    ~DaemonSignals();

    async::Task<int> next();

  private:
    async::Descriptor reader_;
};

}  // namespace berth::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon_notify.h"
#include "engine/config/load.h"

namespace berth::app {

/// Runs the daemon until a signal ends it. `sources` are read again at SIGHUP. Throws where it can't start.
void serve_daemon(engine::DaemonConfig config, engine::ConfigSources sources);

}  // namespace berth::app

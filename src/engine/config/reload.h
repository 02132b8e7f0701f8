// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "engine/config/daemon_config.h"
#include "engine/config/load.h"

/// SIGHUP: daemon.json is read again. What can change: debug, labels, registry mirrors and insecure
/// registries, live-restore, the numbers of downloads and uploads and attempts, shutdown-timeout, features,
/// the runtimes and the default one. All else stays as it was until the daemon starts anew.
namespace berth::engine {

/// `current` with what the file says now. A key that is gone from the file leaves its member, except for the
/// numbers of transfers, the features and the runtimes, which go back to their defaults (as dockerd does).
/// Throws, and changes nothing, where the file is wrong. Blocking.
DaemonConfig reload_config(const DaemonConfig& current, const ConfigSources& sources);

/// What the event `reload` carries.
std::map<std::string, std::string> reload_attributes(const DaemonConfig& config);

}  // namespace berth::engine

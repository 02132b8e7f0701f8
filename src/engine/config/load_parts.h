// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "engine/config/daemon_config.h"

/// Steps that loading and reloading share.
namespace berth::engine {

/// Each label once, sorted. Throws where a key has two values.
std::vector<std::string> conflict_free_labels(const std::vector<std::string>& labels);
/// Mirrors and insecure registries in the form that the registry's client takes.
void finish_registries(DaemonConfig& config);

}  // namespace berth::engine

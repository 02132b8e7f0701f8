// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "engine/containers/record.h"
#include "engine/logs/forwarder.h"
#include "engine/logs/log_options.h"

namespace berth::engine {

/// Where and how a container's log is written, and read. `directory` is <data-root>/containers/<id>. Throws
/// for options that a start would refuse.
LogPlan container_log_plan(const ContainerRecord& record, const std::string& directory);

/// For the drivers that send logs on; nothing for all others.
std::optional<Forwarder::Setup> forwarding_setup(const ContainerRecord& record, const std::string& directory);

}  // namespace berth::engine

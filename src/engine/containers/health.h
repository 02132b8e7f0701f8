// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/containers/roster.h"

/// Health checks: a probe is an exec in the container by its shim, with a memfd for its output; no process
/// but the probe itself. It doesn't run while the container is paused.
namespace berth::engine {

/// A container with this label (or annotation) set to "true" is restarted when it becomes unhealthy.
inline constexpr std::string_view kRestartUnhealthyLabel = "berth.restart-unhealthy";

/// Config.Healthcheck with Docker's defaults.
struct HealthSettings {
    std::vector<std::string> command;
    std::chrono::nanoseconds interval, timeout, start_period, start_interval;
    int retries = 3;
};
/// Nothing where there is no check, or {"NONE"}.
std::optional<HealthSettings> health_settings(const spec::api::ContainerConfig& config);
bool has_healthcheck(const ContainerRecord& record);

/// What a probe's result makes of the health. `since_start`: from the container's start to the probe's.
void apply_probe(Health& health, const HealthSettings& settings, HealthProbe probe,
                 std::chrono::nanoseconds since_start);
/// Until the next probe.
std::chrono::nanoseconds probe_delay(const Health& health, const HealthSettings& settings,
                                     std::chrono::nanoseconds since_start);

/// Probes in the background until the container ends (record_exit cancels it). Nothing without a check.
void watch_health(RosterPointer roster, ContainerPointer container);

}  // namespace berth::engine

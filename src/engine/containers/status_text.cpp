// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/status_text.h"

#include <fmt/core.h>

namespace berth::engine {

std::string human_duration(int64_t duration_ns) {
    int64_t seconds = duration_ns / 1'000'000'000;
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    int64_t minutes = seconds / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    int64_t hours = (seconds + 1800) / 3600;  // rounded, all others are cut off
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", seconds / 3600 / 24 / 365);
}

std::string status_text(const ContainerState& state, int64_t now_ns) {
    std::string up = "Up " + human_duration(now_ns - state.started_ns);
    std::string ago = human_duration(now_ns - state.finished_ns) + " ago";
    switch (state.status) {
        case ContainerStatus::running:
            if (state.health.status == HealthStatus::none) return up;
            if (state.health.status == HealthStatus::starting) return up + " (health: starting)";
            return fmt::format("{} ({})", up, to_string(state.health.status));
        case ContainerStatus::paused: return up + " (Paused)";
        case ContainerStatus::restarting: return fmt::format("Restarting ({}) {}", state.exit_code, ago);
        case ContainerStatus::removing: return "Removal In Progress";
        case ContainerStatus::dead: return "Dead";
        case ContainerStatus::created: return "Created";
        case ContainerStatus::exited: return fmt::format("Exited ({}) {}", state.exit_code, ago);
    }
    return {};
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/volumes/mounts.h"
#include "spec/api/container_config.h"

/// What is kept of a container in StateDb, as JSON: what create made of the request (and rename, update
/// change), and its state.
namespace berth::engine {

struct ContainerRecord {
    int version = 2;
    std::string id;    ///< 64 hex digits
    std::string name;  ///< without "/"
    int64_t created_ns = 0;
    std::string image;     ///< as the user said it
    std::string image_id;  ///< "sha256:…"
    /// Merged with the image's; what inspect shows.
    spec::api::ContainerConfig config;
    spec::api::HostConfig host_config;
    /// By the networks' names, also bridge, host and none; empty where it shares one or has been disconnected
    /// from all.
    spec::api::NetworkingConfig networking;
    /// Of the create request's labels, without the image's: its service (engine/networks/service_settings.h).
    std::map<std::string, std::string> service_labels;
    std::string path;  ///< the program, and
    std::vector<std::string> args;
    std::vector<MountPoint> mounts;
};

/// created -> running <-> paused; running -> exited | restarting; exited -> running; any -> removing -> dead
/// (what could not be removed). docs/engine.md has the whole picture.
enum class ContainerStatus { created, running, paused, restarting, removing, exited, dead };
/// "created", "running", …
std::string_view to_string(ContainerStatus status);

enum class HealthStatus { none, starting, healthy, unhealthy };
std::string_view to_string(HealthStatus status);

struct HealthProbe {
    int64_t start_ns = 0, end_ns = 0;
    int exit_code = 0;
    std::string output;  ///< at most 4096 bytes
};

struct Health {
    HealthStatus status = HealthStatus::none;
    int failing_streak = 0;
    std::vector<HealthProbe> log;  ///< the last five
};

struct ContainerState {
    ContainerStatus status = ContainerStatus::created;
    int pid = 0;  ///< as the host numbers it; 0 unless it runs
    int exit_code = 0;
    bool oom_killed = false;
    std::string error;       ///< why the last start failed
    int64_t started_ns = 0;  ///< 0: never
    int64_t finished_ns = 0;
    int restart_count = 0;
    /// By a user's stop or kill: the policy `unless-stopped` heeds it after a boot.
    bool stopped_by_user = false;
    /// Counts the starts; tells one life of the container from the next.
    int64_t generation = 0;
    Health health;
};

std::string encode_record(const ContainerRecord& record);
ContainerRecord decode_record(std::string_view text);
std::string encode_state(const ContainerState& state);
ContainerState decode_state(std::string_view text);

}  // namespace berth::engine

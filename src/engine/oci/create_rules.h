// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"
#include "spec/image.h"

/// What `create` checks and fills in before a container's record is made. Texts, and their order where two
/// could apply, are dockerd's. docs/oci-config.md has the list. Mounts (Binds, Mounts, VolumesFrom, the
/// targets of Tmpfs) are checked by engine/volumes, log drivers by engine/logs.
namespace berth::engine {

/// What the rules need to know of the rest of the engine. Borrowed for the call.
struct CreateFacts {
    const DaemonConfig& daemon;
    const HostFacts& host;
    std::string id;  ///< the new container's, 64 hex digits
    const spec::ImageRunConfig* image = nullptr;
    /// The full id of a container, by anything that names it; nothing where there is none. For the modes
    /// "container:x".
    std::function<std::optional<std::string>(std::string_view)> container_id;
};

/// What is recorded of a new container.
struct CreatePlan {
    spec::api::ContainerConfig config;  ///< merged with the image's
    spec::api::HostConfig host_config;  ///< with the daemon's defaults
    spec::api::NetworkingConfig networking;
    std::string path;
    std::vector<std::string> args;
    uint64_t quota_bytes = 0;           ///< StorageOpt "size"; 0: none
    std::vector<std::string> warnings;  ///< for CreateResponse
};

/// invalid_argument for what is wrong, not_implemented for what Berth doesn't have. A network that isn't
/// there is the start's matter: clients take a 404 here for a missing image, and pull it. Pure but for
/// stat(2) calls.
CreatePlan apply_create_rules(const CreateFacts& facts, spec::api::ContainerCreateRequest request);

/// "", no, always, unless-stopped, on-failure; also for update.
void check_restart_policy(const spec::api::RestartPolicy& policy);

/// Limits that the host can't give are taken out of `resources`, with a warning for each. invalid_argument
/// for what no host could give. `update`: swap may be given without memory.
std::vector<std::string> check_resources(spec::api::Resources& resources, const HostFacts& host, bool update);

}  // namespace berth::engine

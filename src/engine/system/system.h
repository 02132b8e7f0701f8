// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/context.h"
#include "engine/config/daemon_config.h"
#include "engine/containers/containers.h"
#include "engine/images/images.h"
#include "engine/oci/host_facts.h"
#include "engine/system/events.h"
#include "engine/volumes/volumes.h"
#include "net/firewall.h"
#include "spec/api/system_views.h"
#include "spec/reference.h"

/// What concerns the daemon as a whole: who it is, what the host can do, what it takes on disk; and what
/// needs containers and images at once.
namespace berth::engine {

/// What `docker system df` asks for.
struct DiskUsageParts {
    bool images = true, containers = true, volumes = true, build_cache = true;
    auto operator<=>(const DiskUsageParts&) const = default;
};

struct ContainerCommit {
    std::string container;
    std::optional<spec::Reference> name;
    std::string author, comment;
    bool pause = true;
    std::vector<std::string> changes;  ///< Dockerfile instructions
    /// Over the container's own.
    std::optional<spec::api::ContainerConfig> config;
};

/// Belongs to the control context.
class System {
  public:
    struct Dependencies {
        async::Context& control;
        const DaemonConfig& config;
        const HostFacts& host;
        Events& events;
        Containers& containers;
        Images& images;
        Volumes& volumes;
        net::Firewall& firewall;
    };
    /// Reads the daemon's id from <data-root>/engine-id, or makes one. Blocking.
    explicit System(Dependencies dependencies);
    ~System();

    spec::api::Version version() const;
    async::Task<spec::api::Info> info();
    /// Who asks while the same is being computed gets its result.
    async::Task<spec::api::DiskUsage> disk_usage(DiskUsageParts parts);
    /// The id of the new image. Goes on to its end when the caller goes away, so that no container stays
    /// paused.
    async::Task<std::string> commit(ContainerCommit request);
    /// The text of /metrics (Prometheus' exposition format, version 0.0.4).
    async::Task<std::string> metrics();

    const std::string& id() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "async/stream.h"
#include "engine/config/daemon_config.h"
#include "engine/containers/container.h"
#include "engine/oci/host_facts.h"
#include "engine/streams/attach.h"
#include "spec/api/container_config.h"
#include "spec/api/container_views.h"

namespace berth::engine {

/// The service of processes that join running containers (`docker exec`):
///
///   created ── start ──► running ── exit ──► ended (remembered for 5 minutes, or as long as the container)
///                 └ can't be executed ───────┘  126 or 127
///
/// They are kept in memory alone: after a restart of the daemon they go on running, and nobody knows their
/// ids. On the control context.
class Execs {
  public:
    struct Dependencies {
        async::Context& control;
        async::Context& streams;
        const DaemonConfig& config;
        const HostFacts& host;
        /// By id, name or prefix; throws not_found.
        std::function<std::shared_ptr<Container>(std::string_view reference)> get_container;
        ContainerEventPublisher publish;
    };
    explicit Execs(Dependencies dependencies);
    ~Execs();

    /// The id of a new exec. conflict where the container is not running, is paused or restarts;
    /// invalid_argument "No exec command specified" and for bad detach keys.
    std::string create(std::string_view container, spec::api::ExecCreateRequest request);

    /// What start would refuse right away: not_found "No such exec instance: x", conflict as for create. To
    /// be asked before the connection is hijacked.
    void check_startable(std::string_view id) const;
    /// Returns when the program runs. Failures are in runc's words (invalid_argument where the program can't
    /// be executed). conflict where it was started before.
    async::Task<void> start_detached(std::string id, spec::api::ExecStartRequest request);
    /// The same for a hijacked connection: failures are written to it.
    async::Task<void> start_attached(std::string id, spec::api::ExecStartRequest request,
                                     std::unique_ptr<async::Stream> client);
    /// Waits for the start for up to 10 s.
    async::Task<void> resize(std::string id, uint16_t width, uint16_t height);
    async::Task<spec::api::ExecInspect> inspect(std::string id);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "engine/containers/container.h"
#include "engine/containers/containers.h"
#include "engine/containers/operation_queue.h"
#include "engine/containers/restart_policy.h"
#include "engine/networks/sandboxes.h"

namespace berth::engine {

/// One life of a container: from the start of its shim until that has let go of everything.
struct Life {
    Life(async::Context& context, int64_t number)
        : generation(number), exit_recorded(context), released(context) {}
    int64_t generation;
    std::shared_ptr<shim::AsyncClient> shim;
    pid_t shim_child = 0;  ///< to be reaped; 0 where another process (an earlier daemon) started it
    bool exit_seen = false;
    async::Event exit_recorded;  ///< nothing that the bundle says is needed any more
    async::Event released;       ///< the shim and the bundle are gone
};

/// A container with what its operations need. They change it in its operation queue; what they set here is
/// committed already, or can be found again after a crash (an exit: by the shim's exit.json).
class ManagedContainer final : public Container, public std::enable_shared_from_this<ManagedContainer> {
  public:
    ManagedContainer(async::Context& context, const DaemonConfig& config, ContainerRecord record,
                     ContainerState state);

    async::Task<void> add_session(std::shared_ptr<StreamSession> session) override;
    void drop_session(const StreamSession* session) override;
    async::Task<void> changed() override;
    std::shared_ptr<void> at_exit(std::function<void()> listener) override;
    std::string directory() const override;
    std::string log_path() const override;
    std::string bundle() const override;

    /// Wake up whoever waits for changed().
    void set_record(ContainerRecord record);
    void set_state(ContainerState state);
    void notify();
    /// Health's results; they come beside the operations.
    Health& health() { return state_.health; }

    /// From now on sessions are bound at once.
    void attach_life(std::shared_ptr<Life> life);
    /// Binds the sessions that wait for a start.
    async::Task<void> bind_sessions();
    void abandon_sessions() noexcept;
    /// The program has ended: calls the exit's listeners. The life goes on until the shim has let go.
    void detach_shim();

    OperationQueue operations;
    RestartBackoff backoff;
    std::shared_ptr<Life> life;  ///< null: no shim, no bundle
    /// Null unless it runs, or starts, in networks of its own.
    std::shared_ptr<Sandbox> sandbox;
    /// Its service's clients have until then, before the stop signal (berth.drain).
    std::chrono::steady_clock::time_point drain_until;
    bool is_starting = false;
    bool is_leaving_networks = false;  ///< it has ended: its addresses and ports are about to be free
    /// Ends the wait for the next restart, the health checks; empty where there is none.
    std::function<void()> cancel_restart, cancel_health;
    bool is_removing = false;  ///< somebody's removal is under way
    bool is_removed = false;
    bool is_restarted_by_user = false;  ///< its end is the first half of a restart: --rm waits for the next
    /// Of each end so far; for those who wait.
    uint64_t exits = 0;
    WaitResult last_exit;

  private:
    const DaemonConfig& config_;
    async::Event changed_;
    std::vector<std::shared_ptr<StreamSession>> sessions_;
    std::list<std::weak_ptr<std::function<void()>>> exit_listeners_;
};

using ContainerPointer = std::shared_ptr<ManagedContainer>;

}  // namespace berth::engine

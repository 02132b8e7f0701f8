// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/context.h"
#include "engine/containers/record.h"
#include "shim/client_async.h"

namespace berth::engine {

/// Somebody who wants a container's streams: an attach session (engine/streams/attach.h).
class StreamSession {
  public:
    virtual ~StreamSession() = default;
    /// The shim is there and the program has not started yet (or, where the container runs already, right
    /// away): hands its descriptors over. What it throws is logged by the caller and ends the session only.
    virtual async::Task<void> bind(std::shared_ptr<shim::AsyncClient> shim) = 0;
    /// The container is removed, or its start failed: nothing will come.
    virtual void abandon() noexcept = 0;
};

/// One container in memory. Belongs to the control context; whoever co_awaits holds a shared_ptr. Only
/// Containers changes it, in the container's operation queue; others read the last committed state.
class Container {
  public:
    virtual ~Container() = default;

    const std::string& id() const { return record_.id; }
    const ContainerRecord& record() const { return record_; }
    const ContainerState& state() const { return state_; }
    bool is_running() const {
        return state_.status == ContainerStatus::running || state_.status == ContainerStatus::paused;
    }
    bool is_paused() const { return state_.status == ContainerStatus::paused; }
    bool is_tty() const { return record_.config.Tty; }

    /// The connection to its shim; null unless it runs. It may break at any time (calls then throw
    /// unavailable).
    std::shared_ptr<shim::AsyncClient> shim() const { return shim_; }
    /// Binds the session at once where the container runs, else at its next start.
    virtual async::Task<void> add_session(std::shared_ptr<StreamSession> session) = 0;
    /// A session that ended before it was bound.
    virtual void drop_session(const StreamSession* session) = 0;

    /// Wakes up at every change of state. For followers of logs, stats, health.
    virtual async::Task<void> changed() = 0;
    /// Calls `listener` once, when the program has ended (at the shim's word: all of its log is in the file,
    /// exit.json is there) and before waiters hear of it. Until then: dropping what is given back forgets it.
    [[nodiscard]] virtual std::shared_ptr<void> at_exit(std::function<void()> listener) = 0;

    /// <data-root>/containers/<id>
    virtual std::string directory() const = 0;
    /// The log file's full path, whether it exists or not; "" for the driver none.
    virtual std::string log_path() const = 0;
    /// The shim's directory, <exec-root>/c/<id>.
    virtual std::string bundle() const = 0;

    /// Execs that belong to it, for inspect (ExecIDs); kept by the exec service.
    std::vector<std::string> exec_ids;
    /// "DB_PORT=tcp://…": of --link on the default network, while it runs.
    std::vector<std::string> link_variables;

  protected:
    ContainerRecord record_;
    ContainerState state_;
    std::shared_ptr<shim::AsyncClient> shim_;
};

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "async/context.h"
#include "engine/logs/forwarder.h"

namespace berth::engine {

/// All forwarders of a daemon, one for each container whose driver is_forwarded(). They run on the stream
/// context; these calls are for the control context's thread.
class Forwarding {
  public:
    /// Has to be destroyed before `streams` is, when its loop no longer runs.
    explicit Forwarding(async::Context& control, async::Context& streams);
    ~Forwarding();
    Forwarding(const Forwarding&) = delete;
    Forwarding& operator=(const Forwarding&) = delete;

    /// Before a container is started: where dockerd would refuse to start it because the endpoint can't be
    /// reached, throws its error (to be put behind "failed to initialize logging driver: ").
    async::Task<void> check(Forwarder::Setup setup);
    /// The container runs (it was started, or found running by a new daemon), or ran when this daemon was not
    /// there and its log may not be sent to its end: call it for each forwarded container when the daemon
    /// starts, with ended() right after it for those that do not run. A forwarder that still sends what an
    /// earlier run left goes on.
    void started(const std::string& container_id, Forwarder::Setup setup);
    /// All of the log is in the file. The forwarder ends once everything is delivered.
    void ended(const std::string& container_id);
    /// The container is removed: nothing more is sent.
    void removed(const std::string& container_id);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

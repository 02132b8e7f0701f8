// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "async/context.h"
#include "engine/config/daemon_config.h"

namespace berth::net {
class Firewall;
}

/// The services of one daemon, and what they share. The API's routes reach everything through it.
namespace berth::engine {

class Attachments;
class Containers;
class Events;
class Execs;
class Images;
class Networks;
class StateDb;
class StatsSampler;
class System;
class Volumes;
struct HostFacts;

/// Belongs to the control context, on whose thread all of it is called. `streams` runs on a thread of its
/// own: bulk work (logs, archives, terminals' input), which shares no state with the services.
class Engine {
  public:
    /// Opens the store and the databases (blocking; a second daemon on the same roots was refused before).
    Engine(async::Context& control, async::Context& streams, DaemonConfig config);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Recovers networks, then containers with their places in them. The API is served after it.
    async::Task<void> start();
    /// See Containers::shutdown. Bridges and packet rules stay as long as a container runs.
    async::Task<void> stop(bool stop_containers);
    /// SIGHUP, with a configuration that was checked. Publishes the event `reload`.
    void reload(DaemonConfig config);

    async::Context& control();
    async::Context& streams();
    const DaemonConfig& config() const;
    const HostFacts& host() const;
    StateDb& database();
    Events& events();
    Images& images();
    Volumes& volumes();
    net::Firewall& firewall();
    Networks& networks();
    Containers& containers();
    Attachments& attachments();
    Execs& execs();
    StatsSampler& stats();
    System& system();

  private:
    async::Task<void> stop_networks();

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::engine

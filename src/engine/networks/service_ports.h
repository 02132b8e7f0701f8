// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/context.h"
#include "engine/networks/listen_watch.h"
#include "engine/networks/networks.h"
#include "engine/networks/service_settings.h"
#include "engine/networks/service_table.h"
#include "net/dns/server.h"
#include "net/firewall.h"

/// Published ports that several containers share, and the virtual addresses of services.
///
/// Containers belong to one service if they carry the same `com.docker.compose.project` and
/// `com.docker.compose.service` labels, or the same `berth.service`. Each that is ready is a target of the
/// service's published ports; connections are spread over the targets.
///
///   (started) ─► waiting ── healthy (with a health check), or its port listens ──► ready
///                   ▲                                                             │  │
///                   └────────────── unhealthy, or listens no more ────────────────┘  │ stop, kill, exit
///                                                                                    ▼
///                                                                               (left the map)
///
/// Without a health check each port is a target by itself. A replica that is alone in its service and was
/// ready is not looked at: what listens no more refuses by itself.
///
/// A service has a virtual address on each of its bridge networks with names: on the bridge as /32, in DNS as
/// `<service>.service` and `<service>.<project>.service`. It stays as long as the network, so that clients
/// may keep it over a restart of the service (they are refused meanwhile); where the network's addresses run
/// out, drop_unused gives back those of services that don't run.
namespace berth::engine {

/// Belongs to the control context.
class ServicePorts {
  public:
    struct Dependencies {
        async::Context& control;
        Networks& networks;
        net::Firewall& firewall;
        net::DnsServer& dns;
        /// What looks into a container's namespace (borrowed for the call). Blocking. None: net::ListenProbe.
        std::function<ListenWatch::Probe(int netns)> make_probe;
    };
    explicit ServicePorts(Dependencies dependencies);
    ~ServicePorts();

    /// A restart of the daemon: each container that runs has joined() (and set_healthy() if it was), then
    /// Firewall::start with rules(), then begin(). Before begin() no packet rule changes, and joined() looks
    /// at once which ports listen.
    net::FirewallChange rules();
    async::Task<void> begin();

    /// The container's network is there (its program has not started), or has changed. `netns` is borrowed
    /// for the call; -1: not known yet, its ports count as listening until the next call. Where it throws the
    /// container is in no service.
    async::Task<void> joined(ServiceMember member, int netns);
    /// Before the health state is shown: returns when the rules have it. Nothing for others.
    async::Task<void> set_healthy(std::string container_id, bool healthy);
    /// Out of the map; returns when no new connection comes. Repeatable. False where it was not in. A failure
    /// is logged: a stop goes on.
    async::Task<bool> leave(std::string container_id);
    /// Back after a stop that failed, or `leave` of a container that goes on.
    async::Task<void> rejoin(std::string container_id);
    /// It has ended, or is in no network any more. Its flows are forgotten, so that a client whose first
    /// packet met it tries another one. Never throws.
    async::Task<void> ended(std::string container_id);
    std::optional<std::chrono::seconds> drain_of(const std::string& container_id) const;

    /// Gives back the virtual addresses of services that have no running container on the network; how many.
    async::Task<size_t> drop_unused(std::shared_ptr<const NetworkRecord> network);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

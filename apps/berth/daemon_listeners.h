// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "http/server.h"

namespace berth::app {

struct ListenersState;

/// Where the daemon serves its API: one server for plain sockets, one for TLS, one for the metrics' own port.
/// Clients that come before serve() wait in the kernel's backlog or in their first request.
class DaemonListeners {
  public:
    /// Binds all addresses of the configuration. `active` is called at each finished request. Throws.
    DaemonListeners(async::Context& context, const engine::DaemonConfig& config,
                    std::function<void()> active);
    ~DaemonListeners();
    DaemonListeners(const DaemonListeners&) = delete;
    DaemonListeners& operator=(const DaemonListeners&) = delete;

    /// Requests go to the handlers from now on.
    void serve(http::Handler api, http::Handler metrics);
    /// No new connections; requests in progress may take `grace`.
    async::Task<void> stop(std::chrono::milliseconds grace);

  private:
    void listen_everywhere(const engine::DaemonConfig& config);
    void listen_for_metrics(async::Context& context, const std::string& address, http::ServerOptions options);
    std::shared_ptr<ListenersState> state_;
};

}  // namespace berth::app

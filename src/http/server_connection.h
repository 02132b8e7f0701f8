// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "async/listener.h"
#include "http/head.h"
#include "http/server.h"
#include "http/wire.h"

namespace berth::http {

class ServerConnection;
class ServerRequest;
class ServerResponse;
class TlsContext;

/// What a server's connections share. They keep it alive.
struct ServerState {
    ServerState(async::Context& loop, ServerOptions given, Handler called)
        : context(loop), options(std::move(given)), handler(std::move(called)), connection_ended(loop) {}

    async::Context& context;
    ServerOptions options;
    Handler handler;
    std::shared_ptr<TlsContext> tls;  ///< null: plain
    std::vector<std::shared_ptr<async::Listener>> listeners;
    std::list<ServerConnection*> connections;
    async::Event connection_ended;
    bool stopping = false;
};

/// One connection of a server, from accept to close:
///
///   (TLS handshake) -> idle -> head -> handler -> rest of the body -> idle …
///                       |        |        |             |
///                       end   4xx, end  hijacked     too long, end
///
/// "end" is a plain close where everything that came was read; else the client could lose the response to a
/// reset, and the connection lingers: our side is ended, and what comes is thrown away for a while.
class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
  public:
    ServerConnection(std::shared_ptr<ServerState> server, std::unique_ptr<async::Stream> stream);

    static void start(std::shared_ptr<ServerState> server, std::unique_ptr<async::Stream> stream);

    void close_if_idle();
    /// Closes the connection and cancels its handler.
    void abort();

    ServerState& server() { return *server_; }
    Wire& wire() { return *wire_; }
    const std::string& peer() const { return peer_; }
    const std::string& client_certificate() const { return client_certificate_; }

    /// Runs `work` on the thread of `other`, to which the stream belongs meanwhile.
    async::Task<void> run_on(async::Context& other, async::Task<void> work);

    /// Gives the stream away; the connection ends when the handler does.
    std::unique_ptr<async::Stream> release();

  private:
    static async::Task<void> run(std::shared_ptr<ServerConnection> self);
    async::Task<void> serve();
    async::Task<void> shake_hands();
    /// False where the connection is over.
    async::Task<bool> wait_for_request(bool first);
    async::Task<std::optional<RequestHead>> read_head();
    /// Reads a head and has it answered. False where the connection is over.
    async::Task<bool> serve_one();
    async::Task<bool> handle(ServerRequest& request);
    void report(const ServerRequest& request, const ServerResponse& response,
                std::chrono::nanoseconds duration) const;
    async::Task<void> refuse(const StatusError& error);
    async::Task<void> linger();

    std::shared_ptr<ServerState> server_;
    std::optional<Wire> wire_;  ///< nothing once released
    std::string peer_;
    std::string client_certificate_;
    std::function<void()> cancel_;
    bool idle_ = false;
    bool away_ = false;    ///< on another thread, in run_on
    bool unread_ = false;  ///< the client may still be sending what nobody will read
};

}  // namespace berth::http

// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include "base/log.h"
#include "http/server_connection.h"
#include "http/tls.h"

namespace berth::http {

namespace {

async::Task<void> accept_all(std::shared_ptr<ServerState> server, std::shared_ptr<async::Listener> listener) {
    bool full = false;
    while (!server->stopping) {
        // Those that wait stay in the kernel's backlog.
        if (server->connections.size() >= server->options.max_connections) {
            if (!full) log::warning("{} connections are open; new ones wait", server->connections.size());
            full = true;
            co_await server->connection_ended.wait();
            continue;
        }
        full = false;
        std::unique_ptr<async::Stream> stream;
        std::exception_ptr failure;
        try {
            stream = co_await listener->accept();
        } catch (...) {
            failure = std::current_exception();
        }
        if (server->stopping) break;
        if (failure) std::rethrow_exception(failure);
        ServerConnection::start(server, std::move(stream));
    }
}

async::Task<void> until_all_ended(std::shared_ptr<ServerState> server) {
    while (!server->connections.empty()) co_await server->connection_ended.wait();
}

void stop_listening(ServerState& server) {
    server.stopping = true;
    for (auto& listener : server.listeners) listener->close();
    server.listeners.clear();
}

/// abort() may end a connection at once, which takes it off the list.
void abort_all(ServerState& server) {
    std::list<ServerConnection*> all = server.connections;
    for (ServerConnection* connection : all) connection->abort();
}

}  // namespace

Server::Server(async::Context& context, ServerOptions options, Handler handler)
    : state_(std::make_shared<ServerState>(context, std::move(options), std::move(handler))) {
    if (state_->options.tls) state_->tls = tls_server_context(*state_->options.tls);
}

Server::~Server() {
    stop_listening(*state_);
    abort_all(*state_);
}

async::Address Server::listen(const async::Address& address) {
    auto listener = std::make_shared<async::Listener>(state_->context, address);
    state_->listeners.push_back(listener);
    state_->context.spawn("accept on " + listener->address().text(), accept_all(state_, listener));
    return listener->address();
}

void Server::listen_on(UniqueFd socket) {
    auto listener = std::make_shared<async::Listener>(state_->context, std::move(socket));
    state_->listeners.push_back(listener);
    state_->context.spawn("accept on " + listener->address().text(), accept_all(state_, listener));
}

async::Task<void> Server::stop(std::chrono::milliseconds grace) {
    std::shared_ptr<ServerState> state = state_;
    stop_listening(*state);
    std::list<ServerConnection*> all = state->connections;
    for (ServerConnection* connection : all) connection->close_if_idle();
    bool late = false;
    try {
        co_await async::with_timeout(grace, "requests in progress", until_all_ended(state));
    } catch (const Error&) {
        late = true;
    }
    if (!late) co_return;
    log::warning("{} connections did not end within the grace period", state->connections.size());
    abort_all(*state);
    co_await until_all_ended(state);
}

size_t Server::open_connections() const {
    return state_->connections.size();
}

}  // namespace berth::http

// SPDX-License-Identifier: Apache-2.0
#include "daemon_listeners.h"

#include "base/log.h"
#include "engine/config/listeners.h"
#include "sys/file.h"

namespace berth::app {

struct ListenersState {
    explicit ListenersState(async::Context& context) : ready(context) {}
    async::Event ready;  ///< the handlers are set
    http::Handler api, metrics;
    std::unique_ptr<http::Server> plain, tls, metrics_server;

    http::Server& server_for(bool is_tcp) { return is_tcp && tls ? *tls : *plain; }
};

namespace {

/// Who comes before the engine is there waits for it.
async::Task<void> pass_on(std::shared_ptr<ListenersState> state, http::Handler ListenersState::* handler,
                          http::Request& request, http::Response& response) {
    if (!state) throw Error(ErrorKind::unavailable, "the daemon ends");
    if (!state->ready.is_set()) co_await state->ready.wait();
    co_await (state.get()->*handler)(request, response);
}

/// The state holds the server that holds this.
http::Handler passing_on(const std::shared_ptr<ListenersState>& state,
                         http::Handler ListenersState::* handler) {
    return [state = std::weak_ptr(state), handler](http::Request& request, http::Response& response) {
        return pass_on(state.lock(), handler, request, response);
    };
}

void make_parent(const async::Address& address) {
    size_t end = address.host.rfind('/');
    if (end != 0 && end != std::string::npos) sys::make_dirs(address.host.substr(0, end));
}

void listen(ListenersState& state, const std::string& host, const std::string& group) {
    async::Address address = async::Address::parse(host);
    bool is_tcp = address.kind == async::Address::Kind::tcp;
    if (!is_tcp) make_parent(address);
    async::Address bound = state.server_for(is_tcp).listen(address);
    if (!is_tcp) engine::share_socket(bound.host, group);
    log::info("API listen on {}", bound.text());
}

}  // namespace

DaemonListeners::DaemonListeners(async::Context& context, const engine::DaemonConfig& config,
                                 std::function<void()> active)
    : state_(std::make_shared<ListenersState>(context)) {
    http::ServerOptions options;
    options.access = [active = std::move(active)](const http::AccessRecord&) { active(); };
    http::Handler api = passing_on(state_, &ListenersState::api);
    state_->plain = std::make_unique<http::Server>(context, options, api);
    if (config.tls.enabled) {
        http::ServerOptions secure = options;
        secure.tls = {config.tls.certificate, config.tls.key, config.tls.verify ? config.tls.ca : ""};
        state_->tls = std::make_unique<http::Server>(context, std::move(secure), std::move(api));
    }
    listen_everywhere(config);
    if (!config.metrics_address.empty()) listen_for_metrics(context, config.metrics_address, options);
}

DaemonListeners::~DaemonListeners() {
    // A request that waits holds the state, which holds the servers.
    state_->plain.reset();
    state_->tls.reset();
    state_->metrics_server.reset();
}

void DaemonListeners::listen_everywhere(const engine::DaemonConfig& config) {
    engine::SocketActivation activation;
    for (const std::string& host : config.hosts) {
        if (!host.starts_with("fd://")) {
            engine::check_insecure_tcp(config, host);
            listen(*state_, host, config.group);
            continue;
        }
        for (engine::ActivatedSocket& socket : activation.take(host)) {
            state_->server_for(socket.is_tcp).listen_on(std::move(socket.fd));
            log::info("API listen on {} (from the service manager)", host);
        }
    }
}

void DaemonListeners::listen_for_metrics(async::Context& context, const std::string& address,
                                         http::ServerOptions options) {
    http::Handler handler = passing_on(state_, &ListenersState::metrics);
    state_->metrics_server = std::make_unique<http::Server>(context, std::move(options), std::move(handler));
    async::Address bound = state_->metrics_server->listen(async::Address::parse("tcp://" + address));
    log::info("metrics API listening on {}", bound.text());
}

void DaemonListeners::serve(http::Handler api, http::Handler metrics) {
    state_->api = std::move(api);
    state_->metrics = std::move(metrics);
    state_->ready.set();
}

async::Task<void> DaemonListeners::stop(std::chrono::milliseconds grace) {
    std::shared_ptr<ListenersState> state = state_;
    std::vector<async::Task<void>> all;
    for (http::Server* server : {state->plain.get(), state->tls.get(), state->metrics_server.get()})
        if (server) all.push_back(server->stop(grace));
    co_await async::all_of(std::move(all));
}

}  // namespace berth::app

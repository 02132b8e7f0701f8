// SPDX-License-Identifier: Apache-2.0
#include "net/dns/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "net/dns/service.h"
#include "net/namespace.h"
#include "sys/file.h"

namespace berth::net {

namespace {

constexpr uint32_t kServerAddress = 0x7f00000b;  // 127.0.0.11
constexpr int kBacklog = 64;

UniqueFd make_socket(int type) {
    UniqueFd socket(sys::check(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(kServerAddress);
    sys::check(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
               "bind 127.0.0.11");
    return socket;
}

}  // namespace

DnsSockets make_dns_sockets(int netns) {
    NamespaceScope inside(netns);
    DnsSockets sockets;
    sockets.udp = make_socket(SOCK_DGRAM);
    sockets.tcp = make_socket(SOCK_STREAM);
    sys::check(::listen(sockets.tcp.get(), kBacklog), "listen 127.0.0.11");
    return sockets;
}

uint16_t port_of(int socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    sys::check(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    return ntohs(address.sin_port);
}

/// Made on the control context; what it holds is made, used and ended on that of the streams.
struct DnsServer::State {
    State(async::Context& stream_context, Options server_options)
        : streams(stream_context), options(std::move(server_options)) {}

    async::Context& streams;
    Options options;
    std::unique_ptr<dns::Shared> shared;  ///< from the first use on
    std::unordered_map<std::string, std::unique_ptr<dns::Service>> services;
    bool is_closed = false;

    using Work = std::move_only_function<void(State&)>;

    static async::Task<void> serve(std::shared_ptr<State> state) { co_await state->shared->poller.run(); }

    static async::Task<void> work_here(std::shared_ptr<State> state, Work work) {
        if (state->is_closed) throw Error(ErrorKind::unavailable, "the DNS server has ended");
        if (!state->shared) {
            state->shared = std::make_unique<dns::Shared>(state->streams, state->options);
            async::Task<void> serving = serve(state);
            state->streams.spawn("dns", std::move(serving));
        }
        work(*state);
        co_return;
    }

    static async::Task<void> work_there(std::shared_ptr<State> state, Work work) {
        async::Context& streams = state->streams;
        async::Task<void> task = work_here(std::move(state), std::move(work));
        co_await async::run_on(streams, std::move(task));
    }

    void close() {
        is_closed = true;
        services.clear();
        if (shared) shared->poller.close();
    }
};

DnsServer::DnsServer(async::Context&, async::Context& streams, Options options)
    : state_(std::make_shared<State>(streams, std::move(options))) {}

DnsServer::~DnsServer() {
    async::Context& streams = state_->streams;
    streams.post([state = std::move(state_)] { state->close(); });
}

async::Task<void> DnsServer::open(DnsClient client, DnsSockets sockets) {
    return State::work_there(
        state_, [client = std::move(client), sockets = std::move(sockets)](State& state) mutable {
            std::string id = client.container;
            state.services.erase(id);
            state.services.emplace(
                id, std::make_unique<dns::Service>(*state.shared, std::move(client), std::move(sockets)));
        });
}

async::Task<void> DnsServer::update(DnsClient client) {
    return State::work_there(state_, [client = std::move(client)](State& state) mutable {
        auto found = state.services.find(client.container);
        if (found == state.services.end()) return;
        found->second->update(std::move(client));
        state.shared->names.prune();
    });
}

async::Task<void> DnsServer::close(std::string container) {
    return State::work_there(state_, [container = std::move(container)](State& state) {
        state.services.erase(container);
        state.shared->names.prune();
    });
}

async::Task<void> DnsServer::add(DnsEndpoint endpoint) {
    return State::work_there(state_, [endpoint = std::move(endpoint)](State& state) mutable {
        auto network = state.shared->names.network(endpoint.network);
        if (!endpoint.network_name.empty()) network->set_name(endpoint.network_name);
        network->add(std::move(endpoint));
    });
}

async::Task<void> DnsServer::remove(std::string network, std::string endpoint) {
    return State::work_there(state_,
                             [network = std::move(network), endpoint = std::move(endpoint)](State& state) {
                                 if (auto names = state.shared->names.find(network)) names->remove(endpoint);
                                 state.shared->names.prune();
                             });
}

async::Task<void> DnsServer::add_name(std::string network, std::string name,
                                      std::vector<IpAddress> addresses) {
    return State::work_there(state_, [network = std::move(network), name = std::move(name),
                                      addresses = std::move(addresses)](State& state) mutable {
        state.shared->names.network(network)->add_name(name, std::move(addresses));
    });
}

async::Task<void> DnsServer::remove_name(std::string network, std::string name) {
    return State::work_there(state_, [network = std::move(network), name = std::move(name)](State& state) {
        if (auto names = state.shared->names.find(network)) names->remove_name(name);
        state.shared->names.prune();
    });
}

}  // namespace berth::net

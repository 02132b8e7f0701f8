// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "async/context.h"
#include "base/unique_fd.h"
#include "net/address.h"

/// The DNS server at 127.0.0.11 in containers on user-defined networks (RFC 1035, 2181, 6891). One object on
/// the stream context serves all of them: each container has a UDP and a TCP socket inside its namespace, and
/// no process or thread. docs/networking.md has the rules of names.
namespace berth::net {

/// Sockets inside a container's namespace, bound to 127.0.0.11 and ports that the kernel chose (firewall.h,
/// redirect_dns). The shim keeps duplicates (`park`), so that queries wait out the daemon's restart.
struct DnsSockets {
    UniqueFd udp, tcp;  ///< tcp listens
};
/// Blocking.
DnsSockets make_dns_sockets(int netns);
uint16_t port_of(int socket);

/// An endpoint's names on one network.
struct DnsEndpoint {
    std::string network;  ///< id
    std::string id;       ///< of the endpoint
    /// The network's name: names are known as "web.mynet" as well. "": not told (again).
    std::string network_name;
    /// The container's name comes first (reverse look-ups answer "web.mynet"), then aliases, short id.
    /// Several endpoints may share one: their addresses come in rotating order.
    std::vector<std::string> names;
    std::vector<IpAddress> addresses;
    /// Ports that the container exposes or publishes, for SRV look-ups "_80._tcp.web".
    std::vector<std::pair<Protocol, uint16_t>> ports;
};

/// One container that asks.
struct DnsClient {
    std::string container;              ///< id
    std::vector<std::string> networks;  ///< whose names it sees, in this order
    /// Names of its own: links ("db" -> that container's addresses).
    std::vector<std::pair<std::string, std::vector<IpAddress>>> own_names;
    std::vector<std::string>
        servers;  ///< --dns; empty: those of the host's /etc/resolv.conf, read anew when it changes
    /// All of its networks are internal: for names outside nobody is asked but `servers` that the container
    /// itself can reach, else the answer is SERVFAIL.
    bool is_internal = false;
    /// Its namespace: queries to servers go out from there, but to servers on loopback addresses (of the
    /// host) and of the host's resolv.conf from the host's. An update may leave it out.
    UniqueFd netns;
};

/// Used on the control context; every function posts to the stream context and returns when that has it, so
/// that names resolve when the start of a container is answered. Ends before `streams` does.
class DnsServer {
  public:
    struct Options {
        std::string resolv_conf = "/etc/resolv.conf";
        uint32_t ttl_s = 5;  ///< of our own names. Docker's 600 outlives containers
        /// How long another server may take until the next one is asked.
        std::chrono::milliseconds server_timeout{2000};
    };
    DnsServer(async::Context& control, async::Context& streams, Options options);
    ~DnsServer();

    async::Task<void> open(DnsClient client, DnsSockets sockets);
    /// Its networks or names have changed. Keeps the sockets.
    async::Task<void> update(DnsClient client);
    async::Task<void> close(std::string container);
    async::Task<void> add(DnsEndpoint endpoint);  ///< replaces one of the same id and network
    async::Task<void> remove(std::string network, std::string endpoint);
    /// A service's virtual address and the like: a name without an endpoint.
    async::Task<void> add_name(std::string network, std::string name, std::vector<IpAddress> addresses);
    async::Task<void> remove_name(std::string network, std::string name);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::net

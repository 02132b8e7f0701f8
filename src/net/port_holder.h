// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/context.h"
#include "net/address.h"
#include "net/port_table.h"

/// The process that holds host ports, seen from the daemon. (Who has which: port_table.h.)
///
/// `berth-shim ports` is one small process for each daemon, started with the first published port. It binds
/// each of them (so that no other program takes it, and one that has it is found), listens where the kernel
/// can't route (IPv6 addresses of containers without one, [::1]) and splices those connections and datagrams
/// to `target`. It outlives the daemon, which connects to <exec-root>/ports.sock when it comes back, and ends
/// when it holds nothing. docs/networking.md has its protocol.
namespace berth::net {

struct HeldPort {
    Protocol protocol = Protocol::tcp;
    IpAddress address;  ///< of the host; unspecified: all of its family
    uint16_t port = 0;
    /// Connections are taken and passed on to this address and port; none: bound only. Of SCTP ignored.
    std::optional<std::pair<IpAddress, uint16_t>> target;
    auto operator<=>(const HeldPort&) const = default;
};

/// Belongs to its context's thread. Calls are carried out one after the other, in their order, and to their
/// end even if who waits for one is cancelled: hold() undoes what it did then.
///
/// A port that is held more than once (by containers of one service) is bound once, and passed on to the
/// target that came last, until that one is released. If the process is killed, another one is started with
/// all that is held, and the log has it; connections that were spliced are lost.
class PortHolder {
  public:
    struct Options {
        std::string socket;   ///< path, of any length; beside it are ports.lock and ports.log
        std::string program;  ///< berth-shim
        std::string tag;      ///< for its command line, so that people see whose it is
        /// How long the process stays for a daemon that holds nothing.
        std::chrono::milliseconds linger = std::chrono::seconds(10);
        /// How long the process may take for an answer.
        std::chrono::milliseconds answer_limit = std::chrono::seconds(10);
    };
    PortHolder(async::Context& context, Options options);
    /// The process goes on.
    ~PortHolder();
    PortHolder(const PortHolder&) = delete;
    PortHolder& operator=(const PortHolder&) = delete;

    /// All or none. conflict where another program has one, with its address and the kernel's words:
    /// "failed to bind host port 0.0.0.0:8080/tcp: address already in use"; internal where the host has no
    /// such address ("cannot assign requested address"). SCTP and IPv6 that the kernel doesn't know count as
    /// held. Held already: counted, and its target is replaced.
    async::Task<void> hold(std::vector<HeldPort> ports);
    /// One hold of each; of several, that with the same target. Connections that were taken go on to their
    /// end. Does nothing for what isn't held. Never throws: what can't be told to the process is logged, and
    /// told again until it can.
    async::Task<void> release(std::vector<HeldPort> ports);
    /// After a restart: exactly these (each as often as it is in there); what else the process holds is let
    /// go. Ports that can't be had are logged and count as held. Starts no process where there is nothing to
    /// hold.
    async::Task<void> restore(std::vector<HeldPort> ports);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::net

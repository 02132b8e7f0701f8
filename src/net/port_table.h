// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/address.h"

namespace berth::net {

/// Which host ports are given out, in memory. Two that share a port overlap where their addresses are equal
/// or one is unspecified (of the same family). Whether a program of the host's has a port is found by
/// PortHolder::hold(); who asks for a range goes on with the next one then:
///
///   take(…, range, owner, skip) -> port ── hold() -> conflict ── release(port), skip += port ── take(…)
class PortTable {
  public:
    struct Owner {
        std::string container_id, container_name;
        /// Containers of one service may share a port (docs/networking.md); "": none.
        std::string service;
    };

    PortTable();
    /// `ephemeral`: in place of the kernel's range.
    explicit PortTable(std::pair<uint16_t, uint16_t> ephemeral);
    ~PortTable();

    /// The same port on all of `addresses`. `range`: the first of these that is free and not in `skip`; equal
    /// ends: that one, which a container of the same service may have too, on equal addresses. 0-0: of the
    /// kernel's ephemeral range (net.ipv4.ip_local_port_range), after the last one given, so that a port that
    /// was released comes back late. Throws conflict in Docker's words: "driver failed programming external
    /// connectivity on endpoint NAME (ID): Bind for 0.0.0.0:8080 failed: port is already allocated", with the
    /// name of the container that has it; of a range "all ports are allocated".
    uint16_t take(Protocol protocol, const std::vector<IpAddress>& addresses,
                  std::pair<uint16_t, uint16_t> range, const Owner& owner,
                  const std::set<uint16_t>& skip = {});
    /// Does nothing where the container doesn't have it.
    void release(Protocol protocol, const IpAddress& address, uint16_t port, const std::string& container_id);
    /// What conflicts call the container from now on.
    void rename(const std::string& container_id, const std::string& name);
    /// How many containers have exactly this one: more than one where a service shares it.
    size_t holders(Protocol protocol, const IpAddress& address, uint16_t port) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::net

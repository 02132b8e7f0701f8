// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/address.h"

/// Who gets which addresses. Values in memory: whoever owns one keeps what it gave out and gives it back
/// after a restart.
namespace berth::net {

/// Subnets for networks that name none: `size` bits out of `base`.
struct PoolSetting {
    Prefix base;
    unsigned size = 24;
};
/// Docker's: 172.17.0.0/16 … 172.31.0.0/16 each whole, 192.168.0.0/16 in /20, IPv6 from a ULA /48 that
/// `machine_id` gives.
std::vector<PoolSetting> default_pools(std::string_view machine_id);

/// The first subnet of the pools, in their order, that overlaps none of `taken` (networks) and none of
/// `routes` (the host's, but for default routes). Throws unavailable with Docker's text "all predefined
/// address pools have been fully subnetted", and what to do (prune networks, name a subnet,
/// --default-address-pool).
Prefix choose_subnet(Family family, const std::vector<PoolSetting>& pools, const std::vector<Prefix>& taken,
                     const std::vector<Prefix>& routes);

/// The addresses of one subnet. Gives out the next one after the last given (so that an address comes back
/// late), never the network's, IPv4's broadcast address, the gateway or what is reserved. `range`: only of
/// this part unless asked for by name.
class AddressPool {
  public:
    AddressPool(Prefix subnet, std::optional<Prefix> range);
    const Prefix& subnet() const { return subnet_; }
    /// Throws forbidden "Address already in use" where `wanted` is taken, invalid_argument where it is not in
    /// the subnet, unavailable "no available IPv4 addresses on this network's address pools: <network_name>"
    /// where it is full.
    IpAddress take(std::optional<IpAddress> wanted, std::string_view network_name);
    /// False where it is taken already. For gateways, auxiliary addresses and recovery.
    bool reserve(const IpAddress& address);
    void release(const IpAddress& address);
    size_t taken() const { return taken_.size() - edges_; }

  private:
    Prefix subnet_;
    std::optional<Prefix> range_;
    std::set<IpAddress> taken_;
    size_t edges_ = 0;  ///< of taken_: what the subnet itself keeps
    IpAddress last_;
};

}  // namespace berth::net

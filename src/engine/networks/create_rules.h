// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/networks/network_record.h"
#include "net/address_pools.h"
#include "spec/api/network_views.h"

/// What becomes of a request for a network, as far as it follows from the request, the daemon's settings and
/// the networks that there are. Docker's rules and messages; nothing of the kernel's is asked.
namespace berth::engine {

struct CreateContext {
    /// By driver: --default-network-opt.
    const std::map<std::string, std::map<std::string, std::string>>& default_options;
    /// The configuration-only network of that name; null where there is none.
    std::function<const NetworkRecord*(const std::string& name)> find_configuration;
};

struct NetworkPlan {
    NetworkRecord record;  ///< without id and time; with the subnets that were named
    std::string warning;
    bool needs_v4 = false, needs_v6 = false;  ///< a subnet of the pools
};
NetworkPlan plan_network(const spec::api::NetworkCreateRequest& request, const CreateContext& context);

/// forbidden where the network can't be beside another: subnets that overlap, the same bridge or parent.
void check_conflicts(const NetworkRecord& network, const std::vector<const NetworkRecord*>& others);

/// The gateway that the driver wants where none was named: the subnet's first address.
void choose_gateway(const NetworkRecord& network, NetworkSubnet& subnet);

}  // namespace berth::engine

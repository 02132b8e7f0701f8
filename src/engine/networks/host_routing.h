// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "engine/networks/network_record.h"

/// Containers need a host that routes packets. Where it does so for them alone, the firewall keeps it from
/// being a router between its other interfaces too (a LAN and a VPN), as Docker's policy of FORWARD does.
namespace berth::engine {

/// Those in which `network` has packets routed.
std::vector<net::Family> routed_families(const NetworkRecord& network);

/// Notes in `exec_root` which of `needed` the host does not route yet, so that it will do so for our sake.
/// All that were noted in this boot of the machine. To be called before they are turned on. Blocking.
std::vector<net::Family> note_routing(const std::string& exec_root, const std::vector<net::Family>& needed);

/// What can't be turned on is logged. Blocking.
void turn_routing_on(const std::vector<net::Family>& needed);

}  // namespace berth::engine

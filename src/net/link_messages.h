// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/rtnetlink.h>

#include <optional>
#include <string>
#include <vector>

#include "net/link.h"
#include "net/netlink.h"

/// The requests of rtnetlink(7) that links are made of. For link.cpp, bridge.cpp, endpoint.cpp,
/// namespace.cpp.
namespace berth::net::netlink {

/// Changes the device of that name (NLM_F_CREATE | NLM_F_EXCL in `flags`: makes it).
Message link_message(std::string what, const std::string& name, uint16_t flags = 0);
/// The same by its index. `up`: in the same step, after all else.
Message link_message(std::string what, int index, bool up);
Message link_up(std::string what, const std::string& name);
Message delete_link(std::string what, const std::string& name);
/// net.ipv4.conf.<device>.<...> without a file: `settings` are IPV4_DEVCONF_… and their values.
void add_ipv4_settings(Message& message, const std::vector<std::pair<uint16_t, uint32_t>>& settings);
/// A veth pair whose other end is born in the namespace `peer_netns`. `fill_peer` adds attributes of that
/// end.
Message veth_pair(std::string what, const std::string& name, int peer_netns, const std::string& peer,
                  const std::function<void(Message&)>& fill_end,
                  const std::function<void(Message&)>& fill_peer, bool up);

/// Sends `batch`, which makes the pair's end `port`, and keeps IPv6 from giving that an address of its own: a
/// bridge's port needs none, and work queues would be busy with it.
void make_port(Socket& socket, std::vector<Message> batch, const std::string& port);

Message new_address(std::string what, int index, const Prefix& address);
Message delete_address(std::string what, int index, const Prefix& address);

struct Route {
    Family family = Family::v4;
    std::optional<Prefix> destination;  ///< none: the default route
    std::optional<IpAddress> gateway;
    int interface = 0;  ///< index
    uint32_t metric = 0;
    uint8_t protocol = RTPROT_BOOT;
    uint8_t type = RTN_UNICAST;
};
Message route_message(std::string what, uint16_t type, uint16_t flags, const Route& route);
/// Those of the main table.
std::vector<Route> list_routes(Socket& socket, Family family);

std::optional<LinkInfo> find_link(Socket& socket, const std::string& name);
/// not_found "<what>: no such device".
LinkInfo get_link(Socket& socket, const std::string& what, const std::string& name);
/// `index` 0: of all devices.
std::vector<Prefix> list_addresses(Socket& socket, int index);

/// Until the IPv6 addresses of them are reached: the kernel makes their routes in a work queue, also where it
/// needs not look for duplicates. At most 100 ms.
void await_local(Socket& socket, const std::vector<Prefix>& addresses);
/// Until the device, if it is up, runs (LinkInfo). At most 200 ms: a bridge may have no other port with a
/// carrier, or wait for its spanning tree.
void await_running(Socket& socket, const std::string& name);

/// Writes a file below /proc/sys/net, which is that of the calling thread's network namespace:
/// ("ipv6", "eth0", "disable_ipv6", "1"). False where it is not there or refuses.
bool set_interface_sysctl(const std::string& family, const std::string& interface, const std::string& key,
                          const std::string& value);

}  // namespace berth::net::netlink

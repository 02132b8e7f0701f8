// SPDX-License-Identifier: Apache-2.0
#include "net/link.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/strings.h"
#include "net/link_messages.h"
#include "sys/file.h"

namespace berth::net {

using netlink::Message;
using netlink::Socket;

namespace {

const char* forwarding_file(Family family) {
    return family == Family::v4 ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding";
}

}  // namespace

void remove_link(const std::string& name) {
    std::string what = fmt::format("remove network device {}", name);
    int failed = Socket(NETLINK_ROUTE).request(netlink::delete_link(what, name));
    if (failed != 0 && failed != ENODEV) throw errno_error(failed, what);
}

void add_address(const std::string& interface, const Prefix& address) {
    std::string what = fmt::format("network device {}: add address {}", interface, address.text());
    Socket socket(NETLINK_ROUTE);
    LinkInfo link = netlink::get_link(socket, what, interface);
    int failed = socket.request(netlink::new_address(what, link.index, address));
    if (failed != 0 && failed != EEXIST) throw errno_error(failed, what);
    netlink::await_local(socket, {address});
}

void remove_address(const std::string& interface, const IpAddress& address) {
    std::string what = fmt::format("network device {}: remove address {}", interface, address.text());
    Socket socket(NETLINK_ROUTE);
    auto link = netlink::find_link(socket, interface);
    if (!link) return;
    for (const Prefix& present : netlink::list_addresses(socket, link->index)) {
        if (present.address != address) continue;
        int failed = socket.request(netlink::delete_address(what, link->index, present));
        if (failed != 0 && failed != EADDRNOTAVAIL && failed != ENODEV) throw errno_error(failed, what);
    }
}

std::vector<Prefix> addresses_of(const std::string& interface) {
    Socket socket(NETLINK_ROUTE);
    LinkInfo link = netlink::get_link(socket, "list addresses", interface);
    return netlink::list_addresses(socket, link.index);
}

bool is_forwarding(Family family) {
    std::optional<std::string> text = sys::try_read_file(forwarding_file(family));
    return text && trim(*text) != "0";
}

bool enable_forwarding(Family family) {
    try {
        // Writing it anew would reset the setting of each interface.
        if (!is_forwarding(family)) sys::write_kernel_file(forwarding_file(family), "1");
        return true;
    } catch (const Error&) {
        return false;
    }
}

std::vector<Prefix> host_routes() {
    std::vector<Prefix> result;
    Socket socket(NETLINK_ROUTE);
    for (Family family : {Family::v4, Family::v6}) {
        for (const netlink::Route& route : netlink::list_routes(socket, family))
            if (route.destination && !route.destination->address.is_link_local())
                result.push_back(*route.destination);
    }
    return result;
}

std::vector<IpAddress> host_addresses() {
    Socket socket(NETLINK_ROUTE);
    std::vector<IpAddress> result;
    for (const Prefix& address : netlink::list_addresses(socket, 0)) result.push_back(address.address);
    return result;
}

namespace {

/// "eth0.10" is the VLAN 10 of eth0. The texts are Docker's.
std::pair<std::string, uint16_t> vlan_of(const std::string& parent) {
    size_t dot = parent.find('.');
    if (dot == std::string::npos || dot != parent.rfind('.'))
        throw make_error(ErrorKind::invalid_argument,
                         "invalid subinterface vlan name {}, example formatting is eth0.10", parent);
    auto number = parse_number<uint16_t>(std::string_view(parent).substr(dot + 1));
    if (!number || *number < 1 || *number > 4094)
        throw make_error(ErrorKind::invalid_argument, "vlan id must be between 1-4094, received: {}",
                         parent.substr(dot + 1));
    return {parent.substr(0, dot), *number};
}

Message vlan_message(Socket& socket, const std::string& parent) {
    auto [base, vlan] = vlan_of(parent);
    auto link = netlink::find_link(socket, base);
    if (!link)
        throw make_error(ErrorKind::not_found, "failed to find master interface {} on the Docker host", base);
    Message message =
        netlink::link_message(fmt::format("network device {}: make VLAN {} of {}", parent, vlan, base),
                              parent, NLM_F_CREATE | NLM_F_EXCL);
    message.number<int>(IFLA_LINK, link->index);
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_KIND, "vlan");
        message.nested(IFLA_INFO_DATA, [&] { message.number<uint16_t>(IFLA_VLAN_ID, vlan); });
    });
    return message;
}

}  // namespace

bool ensure_parent(const std::string& parent, const std::string& alias) {
    Socket socket(NETLINK_ROUTE);
    if (netlink::find_link(socket, parent)) return false;
    std::vector<Message> batch;
    if (parent.starts_with("dm-")) {
        std::string what = fmt::format("network device {}: make it", parent);
        batch.push_back(netlink::link_message(what, parent, NLM_F_CREATE | NLM_F_EXCL));
        batch.back().nested(IFLA_LINKINFO, [&] { batch.back().text(IFLA_INFO_KIND, "dummy"); });
    } else {
        batch.push_back(vlan_message(socket, parent));
    }
    batch.push_back(netlink::link_up(fmt::format("network device {}: set it up", parent), parent));
    if (!alias.empty()) batch.back().text(IFLA_IFALIAS, alias);
    socket.must(std::move(batch));
    return true;
}

}  // namespace berth::net

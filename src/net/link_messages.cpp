// SPDX-License-Identifier: Apache-2.0
#include "net/link_messages.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/veth.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "sys/file.h"

namespace berth::net::netlink {

namespace {

std::string_view bytes_of(const IpAddress& address) {
    return {reinterpret_cast<const char*>(address.bytes.data()), address.bits() / 8};
}

std::optional<IpAddress> address_of(Family family, std::optional<std::string_view> data) {
    IpAddress result{.family = family};
    if (!data || data->size() != result.bits() / 8) return std::nullopt;
    memcpy(result.bytes.data(), data->data(), data->size());
    return result;
}

uint8_t number_of(Family family) {
    return family == Family::v4 ? AF_INET : AF_INET6;
}

std::optional<LinkInfo> link_of(const nlmsghdr& reply) {
    if (reply.nlmsg_type != RTM_NEWLINK) return std::nullopt;
    auto header = body_of<ifinfomsg>(reply);
    auto attributes = Attributes::of<ifinfomsg>(reply);
    LinkInfo link;
    link.index = header.ifi_index;
    link.is_up = (header.ifi_flags & IFF_UP) != 0;
    link.name = attributes.text(IFLA_IFNAME);
    link.alias = attributes.text(IFLA_IFALIAS);
    link.kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND);
    link.master = attributes.number<int>(IFLA_MASTER).value_or(0);
    link.mtu = attributes.number<int>(IFLA_MTU).value_or(0);
    link.is_running = attributes.number<uint8_t>(IFLA_OPERSTATE) == IF_OPER_UP;
    if (auto mac = attributes.find(IFLA_ADDRESS); mac && mac->size() == link.mac.bytes.size())
        memcpy(link.mac.bytes.data(), mac->data(), mac->size());
    return link;
}

Message link_query(std::string what) {
    Message message(std::move(what), RTM_GETLINK, 0, ifinfomsg{});
    message.number<uint32_t>(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return message;
}

ifinfomsg link_header(int index, bool up) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = up ? IFF_UP : 0;
    header.ifi_change = up ? IFF_UP : 0;
    return header;
}

Message address_message(std::string what, uint16_t type, uint16_t flags, int index, const Prefix& address) {
    ifaddrmsg header{};
    header.ifa_family = number_of(address.address.family);
    header.ifa_prefixlen = static_cast<uint8_t>(address.length);
    header.ifa_index = static_cast<uint32_t>(index);
    header.ifa_scope = RT_SCOPE_UNIVERSE;
    Message message(std::move(what), type, flags, header);
    message.attribute(IFA_LOCAL, bytes_of(address.address));
    message.attribute(IFA_ADDRESS, bytes_of(address.address));
    return message;
}

std::optional<Route> route_of(const nlmsghdr& reply, Family family) {
    if (reply.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
    auto header = body_of<rtmsg>(reply);
    auto attributes = Attributes::of<rtmsg>(reply);
    uint32_t table = attributes.number<uint32_t>(RTA_TABLE).value_or(header.rtm_table);
    if (table != RT_TABLE_MAIN || header.rtm_family != number_of(family) ||
        (header.rtm_flags & RTM_F_CLONED) != 0)
        return std::nullopt;
    Route route{.family = family, .protocol = header.rtm_protocol, .type = header.rtm_type};
    auto destination = address_of(family, attributes.find(RTA_DST)).value_or(IpAddress::any(family));
    if (header.rtm_dst_len != 0) route.destination = Prefix{destination, header.rtm_dst_len};
    route.gateway = address_of(family, attributes.find(RTA_GATEWAY));
    route.interface = attributes.number<int>(RTA_OIF).value_or(0);
    route.metric = attributes.number<uint32_t>(RTA_PRIORITY).value_or(0);
    return route;
}

}  // namespace

Message link_message(std::string what, const std::string& name, uint16_t flags) {
    Message message(std::move(what), RTM_NEWLINK, flags, ifinfomsg{});
    message.text(IFLA_IFNAME, name);
    return message;
}

Message link_message(std::string what, int index, bool up) {
    return Message(std::move(what), RTM_NEWLINK, 0, link_header(index, up));
}

Message link_up(std::string what, const std::string& name) {
    Message message(std::move(what), RTM_NEWLINK, 0, link_header(0, true));
    message.text(IFLA_IFNAME, name);
    return message;
}

Message delete_link(std::string what, const std::string& name) {
    Message message(std::move(what), RTM_DELLINK, 0, ifinfomsg{});
    message.text(IFLA_IFNAME, name);
    return message;
}

void add_ipv4_settings(Message& message, const std::vector<std::pair<uint16_t, uint32_t>>& settings) {
    message.nested(IFLA_AF_SPEC | NLA_F_NESTED, [&] {
        message.nested(AF_INET | NLA_F_NESTED, [&] {
            message.nested(IFLA_INET_CONF | NLA_F_NESTED, [&] {
                for (auto [key, value] : settings) message.number<uint32_t>(key, value);
            });
        });
    });
}

Message veth_pair(std::string what, const std::string& name, int peer_netns, const std::string& peer,
                  const std::function<void(Message&)>& fill_end,
                  const std::function<void(Message&)>& fill_peer, bool up) {
    Message message(std::move(what), RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_header(0, up));
    message.text(IFLA_IFNAME, name);
    if (fill_end) fill_end(message);
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_KIND, "veth");
        message.nested(IFLA_INFO_DATA, [&] {
            message.nested(VETH_INFO_PEER, [&] {
                message.body(ifinfomsg{});
                message.text(IFLA_IFNAME, peer);
                message.number<int>(IFLA_NET_NS_FD, peer_netns);
                if (fill_peer) fill_peer(message);
            });
        });
    });
    return message;
}

void make_port(Socket& socket, std::vector<Message> batch, const std::string& port) {
    Message& quiet = batch.emplace_back(link_message("", port));
    quiet.nested(IFLA_AF_SPEC | NLA_F_NESTED, [&] {
        quiet.nested(AF_INET6 | NLA_F_NESTED,
                     [&] { quiet.number<uint8_t>(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
    });
    // It is refused where the kernel has no IPv6.
    for (const Refusal& refusal : socket.exchange(batch))
        if (refusal.index + 1 != batch.size()) throw_refusal(batch[refusal.index], refusal);
}

Message new_address(std::string what, int index, const Prefix& address) {
    Message message =
        address_message(std::move(what), RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
    if (address.address.is_v4()) {
        if (address.length < 31) message.attribute(IFA_BROADCAST, bytes_of(address.last()));
    } else {
        // Whoever gives it knows that nobody else has it: no waiting for duplicates to answer.
        message.number<uint32_t>(IFA_FLAGS, IFA_F_NODAD);
    }
    return message;
}

Message delete_address(std::string what, int index, const Prefix& address) {
    return address_message(std::move(what), RTM_DELADDR, 0, index, address);
}

Message route_message(std::string what, uint16_t type, uint16_t flags, const Route& route) {
    rtmsg header{};
    header.rtm_family = number_of(route.family);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = route.protocol;
    header.rtm_type = route.type;
    header.rtm_scope = route.gateway || route.family == Family::v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (type == RTM_DELROUTE) header.rtm_scope = RT_SCOPE_NOWHERE;  // whatever it has
    if (route.destination) header.rtm_dst_len = static_cast<uint8_t>(route.destination->length);
    Message message(std::move(what), type, flags, header);
    if (route.destination) message.attribute(RTA_DST, bytes_of(route.destination->first()));
    if (route.gateway) message.attribute(RTA_GATEWAY, bytes_of(*route.gateway));
    if (route.interface != 0) message.number<int>(RTA_OIF, route.interface);
    if (route.metric != 0) message.number<uint32_t>(RTA_PRIORITY, route.metric);
    return message;
}

std::vector<Route> list_routes(Socket& socket, Family family) {
    rtmsg filter{};
    filter.rtm_family = number_of(family);
    filter.rtm_table = RT_TABLE_MAIN;
    Message request("list routes", RTM_GETROUTE, NLM_F_DUMP, filter);
    try {
        return socket.list<Route>(request, [&](const nlmsghdr& reply) { return route_of(reply, family); });
    } catch (const Error& error) {
        // A namespace has no main table before its first route (nor one of IPv6 where that is off).
        if (error.code() == ENOENT || error.code() == EOPNOTSUPP) return {};
        throw;
    }
}

std::optional<LinkInfo> find_link(Socket& socket, const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ) return std::nullopt;
    Message message = link_query(fmt::format("network device {}", name));
    message.text(IFLA_IFNAME, name);
    std::optional<LinkInfo> found;
    std::vector<Message> one;
    one.push_back(std::move(message));
    auto refusals = socket.exchange(one, [&](const nlmsghdr& reply) { found = link_of(reply); });
    if (!refusals.empty() && refusals.front().code != ENODEV) throw_refusal(one.front(), refusals.front());
    return found;
}

LinkInfo get_link(Socket& socket, const std::string& what, const std::string& name) {
    auto link = find_link(socket, name);
    if (!link) throw errno_error(ENODEV, fmt::format("{}: network device {}", what, name));
    return std::move(*link);
}

std::vector<Prefix> list_addresses(Socket& socket, int index) {
    ifaddrmsg filter{};
    filter.ifa_family = AF_UNSPEC;
    filter.ifa_index = static_cast<uint32_t>(index);
    Message request("list addresses", RTM_GETADDR, NLM_F_DUMP, filter);
    return socket.list<Prefix>(request, [&](const nlmsghdr& reply) -> std::optional<Prefix> {
        if (reply.nlmsg_type != RTM_NEWADDR) return std::nullopt;
        auto header = body_of<ifaddrmsg>(reply);
        if (index != 0 && header.ifa_index != static_cast<uint32_t>(index)) return std::nullopt;
        if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
        auto attributes = Attributes::of<ifaddrmsg>(reply);
        Family family = header.ifa_family == AF_INET ? Family::v4 : Family::v6;
        // IFA_ADDRESS is the other end's of a point-to-point link.
        auto data = attributes.find(IFA_LOCAL);
        if (!data) data = attributes.find(IFA_ADDRESS);
        auto address = address_of(family, data);
        if (!address) return std::nullopt;
        return Prefix{*address, header.ifa_prefixlen};
    });
}

void await_local(Socket& socket, const std::vector<Prefix>& addresses) {
    constexpr useconds_t kPause = 100, kLimit = 100'000;
    useconds_t waited = 0;
    for (const Prefix& address : addresses) {
        if (address.address.is_v4()) continue;
        rtmsg header{};
        header.rtm_family = AF_INET6;
        header.rtm_dst_len = 128;
        for (bool is_local = false; !is_local && waited < kLimit;) {
            Message query("find a route", RTM_GETROUTE, 0, header);
            query.attribute(RTA_DST, bytes_of(address.address));
            socket.request(std::move(query), [&](const nlmsghdr& reply) {
                is_local = body_of<rtmsg>(reply).rtm_type == RTN_LOCAL;
            });
            if (is_local) break;
            usleep(kPause);
            waited += kPause;
        }
    }
}

void await_running(Socket& socket, const std::string& name) {
    constexpr useconds_t kPause = 200, kLimit = 200'000;
    for (useconds_t waited = 0; waited < kLimit; waited += kPause) {
        auto link = find_link(socket, name);
        if (!link || !link->is_up || link->is_running) return;
        usleep(kPause);
    }
}

bool set_interface_sysctl(const std::string& family, const std::string& interface, const std::string& key,
                          const std::string& value) {
    try {
        sys::write_kernel_file(fmt::format("/proc/sys/net/{}/conf/{}/{}", family, interface, key), value);
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace berth::net::netlink

namespace berth::net {

std::vector<LinkInfo> list_links() {
    netlink::Socket socket(NETLINK_ROUTE);
    return socket.list<LinkInfo>(netlink::link_query("list network devices"), netlink::link_of);
}

std::optional<LinkInfo> find_link(const std::string& name) {
    netlink::Socket socket(NETLINK_ROUTE);
    return netlink::find_link(socket, name);
}

}  // namespace berth::net

// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>

#include "net/netlink.h"
#include "net/sockets.h"
#include "sys/file.h"

/// Conntrack entries by nfnetlink. They are listed with a filter that the kernel applies (CTA_FILTER, Linux
/// 5.8; older ones list all), looked at again here, and deleted one by one, many in one system call.
///
/// To list them the kernel walks the whole machine's hash table (262144 buckets: 8 ms), whatever the filter,
/// so it is done once for all filters, and not at all where the namespace has no entry.
namespace berth::net {

namespace {

using netlink::Attributes;
using netlink::Message;

// Bits of CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS: which parts of a tuple count. They are a part of
// the kernel's interface but in none of its exported headers (net/netfilter/nf_internals.h).
constexpr uint32_t kSource = 1U << 0, kDestination = 1U << 1, kProtocol = 1U << 3, kDestinationPort = 1U << 5;

constexpr uint16_t kGet = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
constexpr uint16_t kDelete = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;

constexpr uint16_t kStatistics = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET_STATS;

/// With more entries than this each filter has a list of its own, which is then short.
constexpr uint32_t kMany = 20'000;

nfgenmsg header_of(uint8_t family) {
    return {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
}

std::string_view bytes_of(const IpAddress& address) {
    return {reinterpret_cast<const char*>(address.bytes.data()), address.bits() / 8};
}

/// The kernel reads a filter's tuple only where the tuple's protocol is told with its ports.
struct TupleFilter {
    std::optional<IpAddress> source, destination;
    std::optional<Protocol> protocol;
    std::optional<uint16_t> destination_port;

    uint32_t flags() const {
        return (source ? kSource : 0) | (destination ? kDestination : 0) | (protocol ? kProtocol : 0) |
               (protocol && destination_port ? kDestinationPort : 0);
    }
    void add_to(Message& message, uint16_t type) const {
        if (flags() == 0) return;
        message.nested(type | NLA_F_NESTED, [&] {
            if (source || destination) {
                message.nested(CTA_TUPLE_IP | NLA_F_NESTED, [&] {
                    if (source)
                        message.attribute(source->is_v4() ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, bytes_of(*source));
                    if (destination)
                        message.attribute(destination->is_v4() ? CTA_IP_V4_DST : CTA_IP_V6_DST,
                                          bytes_of(*destination));
                });
            }
            if (!protocol) return;
            message.nested(CTA_TUPLE_PROTO | NLA_F_NESTED, [&] {
                message.number<uint8_t>(CTA_PROTO_NUM, number_of(*protocol));
                if (destination_port) message.number<uint16_t>(CTA_PROTO_DST_PORT, htons(*destination_port));
            });
        });
    }
};

bool is_same(const Attributes& ip, Family family, uint16_t v4, uint16_t v6,
             const std::optional<IpAddress>& wanted) {
    return !wanted || ip.find(family == Family::v4 ? v4 : v6) == bytes_of(*wanted);
}

bool matches(const FlowFilter& filter, Family family, const Attributes& entry) {
    Attributes original = entry.nested(CTA_TUPLE_ORIG), reply = entry.nested(CTA_TUPLE_REPLY);
    Attributes ip = original.nested(CTA_TUPLE_IP), protocol = original.nested(CTA_TUPLE_PROTO);
    if (!is_same(ip, family, CTA_IP_V4_SRC, CTA_IP_V6_SRC, filter.original_source) ||
        !is_same(ip, family, CTA_IP_V4_DST, CTA_IP_V6_DST, filter.original_destination) ||
        !is_same(reply.nested(CTA_TUPLE_IP), family, CTA_IP_V4_SRC, CTA_IP_V6_SRC, filter.reply_source))
        return false;
    if (filter.protocol && protocol.number<uint8_t>(CTA_PROTO_NUM) != number_of(*filter.protocol))
        return false;
    return !filter.original_port ||
           protocol.number<uint16_t>(CTA_PROTO_DST_PORT) == htons(*filter.original_port);
}

bool is_empty(const FlowFilter& filter) {
    return !filter.protocol && !filter.original_destination && !filter.original_port &&
           !filter.reply_source && !filter.original_source;
}

/// Of which family the entries are that match; AF_UNSPEC: any. Nothing: none can match.
std::optional<uint8_t> family_of(const FlowFilter& filter) {
    uint8_t result = AF_UNSPEC;
    for (const auto& address : {filter.original_destination, filter.reply_source, filter.original_source}) {
        if (!address) continue;
        uint8_t family = address->is_v4() ? AF_INET : AF_INET6;
        if (result != AF_UNSPEC && result != family) return std::nullopt;
        result = family;
    }
    return result;
}

/// What all have in common: the kernel's filter.
FlowFilter common_of(const std::vector<FlowFilter>& filters) {
    FlowFilter result = filters.front();
    auto keep = [](auto& value, const auto& other) {
        if (value != other) value.reset();
    };
    for (const FlowFilter& filter : filters) {
        keep(result.protocol, filter.protocol);
        keep(result.original_destination, filter.original_destination);
        keep(result.original_port, filter.original_port);
        keep(result.reply_source, filter.reply_source);
        keep(result.original_source, filter.original_source);
    }
    return result;
}

Message list_request(const FlowFilter& filter) {
    uint8_t family = family_of(filter).value_or(AF_UNSPEC);
    Message request("list connections", kGet, NLM_F_DUMP, header_of(family));
    TupleFilter original{filter.original_source, filter.original_destination, filter.protocol,
                         filter.original_port};
    TupleFilter reply{.source = filter.reply_source};
    // The kernel's filter takes what is *not* the given IPv6 address (seen up to Linux 6.18), and needs the
    // family for all that it looks at.
    if (family == AF_INET6) original.source = original.destination = reply.source = std::nullopt;
    if (family == AF_UNSPEC || original.flags() + reply.flags() == 0) return request;
    original.add_to(request, CTA_TUPLE_ORIG);
    reply.add_to(request, CTA_TUPLE_REPLY);
    request.nested(CTA_FILTER | NLA_F_NESTED, [&] {
        request.number<uint32_t>(CTA_FILTER_ORIG_FLAGS, original.flags());
        request.number<uint32_t>(CTA_FILTER_REPLY_FLAGS, reply.flags());
    });
    return request;
}

/// The entry and none that took its place. The kernel's id alone does not tell them apart: a client that uses
/// its port again gets an entry in the same memory, with the same id. Its answers come from another target,
/// though, so it is named by its reply.
Message delete_request(uint8_t family, const Attributes& entry) {
    Message request("delete a connection", kDelete, 0, header_of(family));
    for (uint16_t type : {CTA_TUPLE_REPLY, CTA_ID, CTA_ZONE})
        if (auto data = entry.find(type))
            request.attribute(type == CTA_TUPLE_REPLY ? type | NLA_F_NESTED : type, *data);
    return request;
}

size_t forget(netlink::Socket& socket, const std::vector<FlowFilter>& filters) {
    std::vector<Message> batch;
    // What came and went meanwhile is listed or not; what has to go was there before.
    [[maybe_unused]] bool complete =
        socket.dump(list_request(common_of(filters)), [&](const nlmsghdr& reply) {
            auto entry = Attributes::of<nfgenmsg>(reply);
            uint8_t number = netlink::body_of<nfgenmsg>(reply).nfgen_family;
            Family family = number == AF_INET ? Family::v4 : Family::v6;
            auto is_meant = [&](const FlowFilter& filter) { return matches(filter, family, entry); };
            if (std::ranges::any_of(filters, is_meant)) batch.push_back(delete_request(number, entry));
        });
    return batch.size() - socket.exchange(batch).size();
}

/// In the namespace. An unknown number (the kernel has no conntrack) is 0.
uint32_t count_entries(netlink::Socket& socket) {
    uint32_t count = 0;
    Message request("count connections", kStatistics, 0, header_of(AF_UNSPEC));
    socket.request(std::move(request), [&](const nlmsghdr& reply) {
        count = ntohl(Attributes::of<nfgenmsg>(reply).number<uint32_t>(CTA_STATS_GLOBAL_ENTRIES).value_or(0));
    });
    return count;
}

size_t forget_in(netlink::Socket& socket, const std::vector<FlowFilter>& filters) {
    uint32_t present = count_entries(socket);
    if (present == 0) return 0;
    if (present < kMany) return forget(socket, filters);
    size_t count = 0;
    for (const FlowFilter& filter : filters) count += forget(socket, {filter});
    return count;
}

/// One socket for all calls: the end of any netfilter socket waits, 5 to 20 ms, for what nftables has still
/// to free in the namespace.
struct SharedSocket {
    std::mutex mutex;
    std::optional<netlink::Socket> socket;
    ino_t netns = 0;  ///< that of the socket, which keeps it alive, so that the number is no other's

    netlink::Socket& of_this_namespace() {
        struct stat own{};
        sys::check(stat("/proc/thread-self/ns/net", &own), "look at the network namespace");
        if (!socket || own.st_ino != netns) {
            socket.emplace(NETLINK_NETFILTER);
            netns = own.st_ino;
        }
        return *socket;
    }
};

SharedSocket& shared_socket() {
    static SharedSocket shared;
    return shared;
}

}  // namespace

size_t forget_flows(const std::vector<FlowFilter>& filters) {
    std::vector<FlowFilter> all;
    for (const FlowFilter& filter : filters)
        if (!is_empty(filter) && family_of(filter)) all.push_back(filter);
    if (all.empty()) return 0;
    SharedSocket& shared = shared_socket();
    std::scoped_lock lock(shared.mutex);
    try {
        return forget_in(shared.of_this_namespace(), all);
    } catch (...) {
        shared.socket.reset();
        throw;
    }
}

}  // namespace berth::net

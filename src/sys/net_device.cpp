// SPDX-License-Identifier: Apache-2.0
#include "sys/net_device.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

/// One request: a header of a fixed form, then attributes, each at a multiple of 4 bytes.
class Message {
  public:
    template <typename Body>
    Message(uint16_t type, uint16_t flags, const Body& body) {
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
        append(&header, sizeof(header));
        append(&body, sizeof(body));
    }

    void attribute(uint16_t type, std::string_view data) {
        rtattr header{static_cast<uint16_t>(RTA_LENGTH(data.size())), type};
        append(&header, sizeof(header));
        append(data.data(), data.size());
    }
    void number(uint16_t type, int value) {
        attribute(type, {reinterpret_cast<const char*>(&value), sizeof(value)});
    }

    const std::string& finish() {
        auto size = static_cast<uint32_t>(bytes_.size());
        memcpy(bytes_.data(), &size, sizeof(size));
        return bytes_;
    }

  private:
    void append(const void* data, size_t size) {
        bytes_.append(static_cast<const char*>(data), size);
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    std::string bytes_;
};

/// A route netlink socket of the network namespace that the thread was in when it was made.
class RouteSocket {
  public:
    RouteSocket()
        : fd_(check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink socket")) {}

    /// Returns 0 or the kernel's errno.
    int request(Message message) {
        int result = 0;
        exchange(message.finish(), [&](const nlmsghdr& reply) {
            if (reply.nlmsg_type != NLMSG_ERROR) return true;
            result = -static_cast<const nlmsgerr*>(NLMSG_DATA(&reply))->error;
            return false;
        });
        return result;
    }

    template <typename OnReply>
    void dump(Message message, OnReply&& on_reply) {
        exchange(message.finish(), [&](const nlmsghdr& reply) {
            if (reply.nlmsg_type == NLMSG_DONE) return false;
            if (reply.nlmsg_type == NLMSG_ERROR)
                throw errno_error(-static_cast<const nlmsgerr*>(NLMSG_DATA(&reply))->error, "netlink dump");
            on_reply(reply);
            return true;
        });
    }

  private:
    /// `on_reply` says whether more is to come.
    template <typename OnReply>
    void exchange(const std::string& message, OnReply&& on_reply) {
        check(retry([&] { return send(fd_.get(), message.data(), message.size(), 0); }), "netlink send");
        alignas(nlmsghdr) char buffer[32768];  // NLMSG_GOODSIZE at most
        for (bool more = true; more;) {
            auto left = static_cast<unsigned>(
                check(retry([&] { return recv(fd_.get(), buffer, sizeof(buffer), 0); }), "netlink receive"));
            for (auto* reply = reinterpret_cast<nlmsghdr*>(buffer); more && NLMSG_OK(reply, left);
                 reply = NLMSG_NEXT(reply, left))
                more = on_reply(*reply);
        }
    }

    UniqueFd fd_;
};

/// A socket of another network namespace. The thread is back in its own when this returns.
RouteSocket route_socket_in(int netns_fd) {
    struct Return {
        UniqueFd own = open_file("/proc/thread-self/ns/net", O_RDONLY);
        ~Return() {
            // Can't fail: the namespace is held open, and we were in it. Else nothing that follows would be
            // right.
            if (setns(own.get(), CLONE_NEWNET) < 0) std::terminate();
        }
    } back;
    check(setns(netns_fd, CLONE_NEWNET), "join the network namespace");
    return RouteSocket();
}

struct Address {
    ifaddrmsg header{};
    std::vector<std::pair<uint16_t, std::string>> attributes;  ///< those that a new address is made of
};

/// Permanent addresses of global scope, of one interface: others are made anew (link-local) or belong to
/// whoever leased them.
std::vector<Address> list_addresses(RouteSocket& socket, unsigned index) {
    std::vector<Address> result;
    ifaddrmsg all{};
    all.ifa_family = AF_UNSPEC;
    socket.dump(Message(RTM_GETADDR, NLM_F_DUMP, all), [&](const nlmsghdr& reply) {
        const auto* header = static_cast<const ifaddrmsg*>(NLMSG_DATA(&reply));
        if (reply.nlmsg_type != RTM_NEWADDR || header->ifa_index != index ||
            header->ifa_scope != RT_SCOPE_UNIVERSE)
            return;
        Address address{*header, {}};
        uint32_t flags = header->ifa_flags;
        auto left = static_cast<unsigned>(IFA_PAYLOAD(&reply));
        for (const rtattr* one = IFA_RTA(header); RTA_OK(one, left); one = RTA_NEXT(one, left)) {
            std::string data(static_cast<const char*>(RTA_DATA(one)), RTA_PAYLOAD(one));
            uint16_t type = one->rta_type & NLA_TYPE_MASK;
            if (type == IFA_FLAGS && data.size() == sizeof(flags)) memcpy(&flags, data.data(), sizeof(flags));
            // Not the label, which has the old name in it, and not the times, which are endless here.
            if (type == IFA_ADDRESS || type == IFA_LOCAL || type == IFA_BROADCAST || type == IFA_RT_PRIORITY)
                address.attributes.emplace_back(type, std::move(data));
        }
        if ((flags & IFA_F_PERMANENT) == 0) return;
        constexpr uint32_t kKept = IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN;
        flags &= kKept;
        address.attributes.emplace_back(IFA_FLAGS,
                                        std::string(reinterpret_cast<const char*>(&flags), sizeof(flags)));
        address.header.ifa_flags = 0;
        result.push_back(std::move(address));
    });
    return result;
}

struct Link {
    unsigned index = 0;
    bool is_up = false;
};

std::optional<Link> find_link(RouteSocket& socket, const std::string& name) {
    std::optional<Link> found;
    socket.dump(Message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}), [&](const nlmsghdr& reply) {
        const auto* header = static_cast<const ifinfomsg*>(NLMSG_DATA(&reply));
        auto left = static_cast<unsigned>(IFLA_PAYLOAD(&reply));
        for (const rtattr* one = IFLA_RTA(header); RTA_OK(one, left); one = RTA_NEXT(one, left)) {
            std::string_view text(static_cast<const char*>(RTA_DATA(one)), RTA_PAYLOAD(one));
            if (one->rta_type == IFLA_IFNAME && text.substr(0, text.find('\0')) == name)
                found = Link{static_cast<unsigned>(header->ifi_index), (header->ifi_flags & IFF_UP) != 0};
        }
    });
    return found;
}

ifinfomsg link_header(unsigned index, bool up) {
    ifinfomsg header{};
    header.ifi_index = static_cast<int>(index);
    header.ifi_change = IFF_UP;
    header.ifi_flags = up ? IFF_UP : 0;
    return header;
}

}  // namespace

void move_device(const std::string& name, int netns_fd, const std::string& new_name) {
    const std::string& target_name = new_name.empty() ? name : new_name;
    auto must = [&](int code, std::string_view what) {
        if (code != 0) throw errno_error(code, fmt::format("network device {}: {}", name, what));
    };
    RouteSocket here;
    RouteSocket there = route_socket_in(netns_fd);
    auto link = find_link(here, name);
    if (!link) throw make_error(ErrorKind::not_found, "network device {}: no such device", name);
    if (find_link(there, target_name))
        throw make_error(ErrorKind::conflict, "network device {}: the container already has a device {}",
                         name, target_name);
    std::vector<Address> addresses = list_addresses(here, link->index);

    must(here.request(Message(RTM_NEWLINK, NLM_F_ACK, link_header(link->index, false))), "set down");
    Message move(RTM_NEWLINK, NLM_F_ACK, link_header(link->index, false));
    move.number(IFLA_NET_NS_FD, netns_fd);
    move.attribute(IFLA_IFNAME, {target_name.c_str(), target_name.size() + 1});
    if (int failed = here.request(std::move(move)); failed != 0) {
        if (link->is_up) here.request(Message(RTM_NEWLINK, NLM_F_ACK, link_header(link->index, true)));
        must(failed, "move to the container");
    }

    // The index is kept unless it is taken there.
    link = find_link(there, target_name);
    if (!link) throw make_error(ErrorKind::internal, "network device {}: lost on its way", name);
    for (Address& address : addresses) {
        address.header.ifa_index = link->index;
        Message add(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, address.header);
        for (const auto& [type, data] : address.attributes) add.attribute(type, data);
        must(there.request(std::move(add)), "give back its address");
    }
    must(there.request(Message(RTM_NEWLINK, NLM_F_ACK, link_header(link->index, true))), "set up");
}

}  // namespace berth::sys

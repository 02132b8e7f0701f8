// SPDX-License-Identifier: Apache-2.0
#include "net/firewall_watch.h"

#include <dirent.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::net {
namespace {

/// Of one read: the kernel fills buffers of at most 32 KiB with such messages.
constexpr size_t kBufferSize = 64 * 1024;
/// A big ruleset that is loaded in one transaction makes as many messages.
constexpr int kReceiveBuffer = 4 << 20;

/// The netlink ports of this process's netfilter sockets. libnftables does not tell its own.
std::set<uint32_t> ports_of_this_process() {
    std::set<uint32_t> ports;
    std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
    if (!folder) return ports;
    while (const dirent* entry = ::readdir(folder.get())) {
        auto fd = parse_number<int>(entry->d_name);
        if (!fd) continue;
        int protocol = -1;
        socklen_t size = sizeof protocol;
        sockaddr_nl address{};
        if (::getsockopt(*fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 ||
            protocol != NETLINK_NETFILTER)
            continue;
        size = sizeof address;
        if (::getsockname(*fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
            address.nl_family == AF_NETLINK && address.nl_pid != 0)
            ports.insert(address.nl_pid);
    }
    return ports;
}

/// Attribute 1 of all messages about tables, chains, rules, sets and elements: the table's name.
std::string_view table_of(const char* message, size_t size) {
    constexpr size_t kHead = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(nfgenmsg)));
    for (size_t at = kHead; at + sizeof(nlattr) <= size;) {
        nlattr attribute{};
        std::memcpy(&attribute, message + at, sizeof attribute);
        if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > size) break;
        if ((attribute.nla_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME) {
            std::string_view name(message + at + sizeof attribute, attribute.nla_len - sizeof attribute);
            return name.substr(0, name.find('\0'));
        }
        at += NLA_ALIGN(attribute.nla_len);
    }
    return {};
}

}  // namespace

FirewallWatch::FirewallWatch(std::string table) : table_(std::move(table)) {
    socket_.reset(sys::check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER),
                             "netlink socket for netfilter"));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    sys::check(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
               "bind netfilter's netlink socket");
    int group = NFNLGRP_NFTABLES;
    sys::check(::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group),
               "watch nftables");
    // Without the right to, the usual size does.
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
    own_ports_ = ports_of_this_process();
}

FirewallWatch::Seen FirewallWatch::read() {
    Seen seen;
    auto buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
    while (true) {
        ssize_t size = sys::retry([&] { return ::recv(socket_.get(), buffer.get(), kBufferSize, 0); });
        if (size < 0 && errno == ENOBUFS) {
            seen.is_lossy = true;
            continue;
        }
        if (size <= 0) return seen;
        const char* at = buffer.get();
        auto left = static_cast<size_t>(size);
        while (left >= sizeof(nlmsghdr)) {
            nlmsghdr head{};
            std::memcpy(&head, at, sizeof head);
            if (head.nlmsg_len < sizeof head || head.nlmsg_len > left) break;
            look_at(at, head.nlmsg_len, seen);
            size_t step = std::min<size_t>(NLMSG_ALIGN(head.nlmsg_len), left);
            at += step;
            left -= step;
        }
    }
}

void FirewallWatch::look_at(const char* message, size_t size, Seen& seen) {
    nlmsghdr head{};
    std::memcpy(&head, message, sizeof head);
    if (NFNL_SUBSYS_ID(head.nlmsg_type) != NFNL_SUBSYS_NFTABLES) return;
    int kind = NFNL_MSG_TYPE(head.nlmsg_type);
    bool is_deletion = kind == NFT_MSG_DELTABLE || kind == NFT_MSG_DELCHAIN || kind == NFT_MSG_DELRULE ||
                       kind == NFT_MSG_DELSET || kind == NFT_MSG_DELSETELEM;
    bool is_of_chains = kind == NFT_MSG_NEWTABLE || kind == NFT_MSG_DELTABLE || kind == NFT_MSG_NEWCHAIN ||
                        kind == NFT_MSG_DELCHAIN || kind == NFT_MSG_NEWRULE || kind == NFT_MSG_DELRULE;
    if (!is_deletion && !is_of_chains) return;
    bool is_ours = table_of(message, size) == table_;
    bool matters = is_ours ? is_deletion && !seen.ours_was_hurt : is_of_chains && !seen.others_changed;
    if (!matters || is_own(head.nlmsg_pid)) return;
    (is_ours ? seen.ours_was_hurt : seen.others_changed) = true;
}

bool FirewallWatch::is_own(uint32_t port) {
    if (own_ports_.contains(port)) return true;
    // The library opens its socket anew after some errors.
    own_ports_ = ports_of_this_process();
    return own_ports_.contains(port);
}

}  // namespace berth::net

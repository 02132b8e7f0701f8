// SPDX-License-Identifier: Apache-2.0
#include "net/namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "base/error.h"
#include "net/link_messages.h"
#include "sys/file.h"

namespace berth::net {

namespace {

UniqueFd own_namespace() {
    return sys::open_file("/proc/thread-self/ns/net", O_RDONLY);
}

void come_back(int netns) {
    if (setns(netns, CLONE_NEWNET) < 0) std::terminate();
}

/// The end inside has the name that containers' first interfaces have: to rename a device costs as much as
/// all else that an endpoint needs.
constexpr const char* kInside = "eth0";

}  // namespace

NamespaceScope::NamespaceScope(int netns) : before_(own_namespace()) {
    sys::check(setns(netns, CLONE_NEWNET), "join a network namespace");
}

NamespaceScope::~NamespaceScope() {
    come_back(before_.get());
}

UniqueFd make_namespace() {
    struct Return {
        UniqueFd before = own_namespace();
        ~Return() { come_back(before.get()); }
    } back;
    sys::check(unshare(CLONE_NEWNET), "make a network namespace");
    UniqueFd netns = own_namespace();
    std::vector<netlink::Message> batch;
    batch.push_back(netlink::link_up("new network namespace: set lo up", "lo"));
    netlink::Socket(NETLINK_ROUTE).must(std::move(batch));
    return netns;
}

PreparedNamespace make_namespace(const std::string& host_interface) {
    PreparedNamespace result{
        .netns = make_namespace(), .host_interface = host_interface, .interface = kInside};
    netlink::Socket host(NETLINK_ROUTE);
    std::vector<netlink::Message> batch;
    batch.push_back(netlink::veth_pair(fmt::format("make the veth pair {}", host_interface), host_interface,
                                       result.netns.get(), kInside, {}, {}, false));
    netlink::make_port(host, std::move(batch), host_interface);
    NamespaceScope scope(result.netns.get());
    // Most endpoints have no IPv6 address. attach_endpoint switches it on for the others.
    netlink::set_interface_sysctl("ipv6", kInside, "disable_ipv6", "1");
    return result;
}

UniqueFd open_namespace(pid_t pid) {
    std::string path = fmt::format("/proc/{}/ns/net", pid);
    int fd = sys::retry([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    // A zombie has left its namespaces.
    if (fd < 0 && (errno == ESRCH || errno == ENOENT))
        throw Error(ErrorKind::not_found, fmt::format("network namespace of process {}: it has ended", pid),
                    errno);
    return UniqueFd(sys::check(fd, [&] { return fmt::format("open {}", path); }));
}

std::string namespace_path(int netns) {
    return fmt::format("/proc/{}/fd/{}", getpid(), netns);
}

}  // namespace berth::net

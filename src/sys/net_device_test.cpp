// SPDX-License-Identifier: Apache-2.0
#include "sys/net_device.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::sys {
namespace {

/// Netlink requests of the test's own, so that it doesn't rest on what it tests.
class Request {
  public:
    template <typename Body>
    Request(uint16_t type, const Body& body) {
        header()->nlmsg_type = type;
        header()->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        header()->nlmsg_len = NLMSG_LENGTH(sizeof(body));
        memcpy(NLMSG_DATA(header()), &body, sizeof(body));
    }
    rtattr* add(uint16_t type, const void* data, size_t size) {
        auto* attribute = reinterpret_cast<rtattr*>(buffer_ + NLMSG_ALIGN(header()->nlmsg_len));
        attribute->rta_type = type;
        attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
        if (size > 0) memcpy(RTA_DATA(attribute), data, size);
        header()->nlmsg_len =
            static_cast<uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
        return attribute;
    }
    void end(rtattr* nest) {
        nest->rta_len = static_cast<uint16_t>(buffer_ + header()->nlmsg_len - reinterpret_cast<char*>(nest));
    }
    /// 0 or an errno.
    int send() {
        UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (::send(socket.get(), buffer_, header()->nlmsg_len, 0) < 0) return errno;
        char reply[4096];
        if (recv(socket.get(), reply, sizeof(reply), 0) < 0) return errno;
        return -static_cast<nlmsgerr*>(NLMSG_DATA(reinterpret_cast<nlmsghdr*>(reply)))->error;
    }

  private:
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }
    alignas(nlmsghdr) char buffer_[1024] = {};
};

int make_veth(const char* name, const char* peer) {
    Request request(RTM_NEWLINK, ifinfomsg{});
    request.add(IFLA_IFNAME, name, strlen(name) + 1);
    uint32_t mtu = 1380;
    request.add(IFLA_MTU, &mtu, sizeof(mtu));
    rtattr* info = request.add(IFLA_LINKINFO, nullptr, 0);
    request.add(IFLA_INFO_KIND, "veth", 5);
    rtattr* data = request.add(IFLA_INFO_DATA, nullptr, 0);
    ifinfomsg none{};
    rtattr* peer_info = request.add(VETH_INFO_PEER, &none, sizeof(none));
    request.add(IFLA_IFNAME, peer, strlen(peer) + 1);
    request.end(peer_info);
    request.end(data);
    request.end(info);
    return request.send();
}

int add_address(const char* name, const char* text, uint8_t prefix, uint8_t scope, uint32_t lifetime = 0) {
    char data[sizeof(in6_addr)];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    inet_pton(family, text, data);
    size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
    ifaddrmsg header{};
    header.ifa_family = static_cast<uint8_t>(family);
    header.ifa_prefixlen = prefix;
    header.ifa_scope = scope;
    header.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    header.ifa_index = if_nametoindex(name);
    Request request(RTM_NEWADDR, header);
    request.add(IFA_LOCAL, data, size);
    request.add(IFA_ADDRESS, data, size);
    ifa_cacheinfo times{.ifa_prefered = lifetime, .ifa_valid = lifetime, .cstamp = 0, .tstamp = 0};
    if (lifetime != 0) request.add(IFA_CACHEINFO, &times, sizeof(times));
    return request.send();
}

std::set<std::string> addresses(const std::string& name) {
    std::set<std::string> result;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) < 0) return {"getifaddrs failed"};
    for (const ifaddrs* one = list; one; one = one->ifa_next) {
        if (one->ifa_name != name || !one->ifa_addr) continue;
        char text[INET6_ADDRSTRLEN] = {};
        const void* data = nullptr;
        if (one->ifa_addr->sa_family == AF_INET)
            data = &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
        else if (one->ifa_addr->sa_family == AF_INET6)
            data = &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
        else
            continue;
        inet_ntop(one->ifa_addr->sa_family, data, text, sizeof(text));
        if (!std::string_view(text).starts_with("fe80")) result.insert(text);
    }
    freeifaddrs(list);
    return result;
}

ifreq interface_request(unsigned long code, const std::string& name) {
    ifreq request{};
    memcpy(request.ifr_name, name.data(), name.size());
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (ioctl(socket.get(), code, &request) < 0) request.ifr_flags = 0;
    return request;
}

bool is_up(const std::string& name) {
    return (interface_request(SIOCGIFFLAGS, name).ifr_flags & IFF_UP) != 0;
}

void set_up(const std::string& name) {
    ifreq request = interface_request(SIOCGIFFLAGS, name);
    request.ifr_flags |= IFF_UP;
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

UniqueFd own_netns() {
    return open_file("/proc/self/ns/net", O_RDONLY);
}

constexpr int kNoVeth = 77;

class NetDeviceTest : public testing::Test {
  protected:
    /// Runs `body` in a child with two network namespaces of its own: it is in the first and gets a
    /// descriptor of the second. The child's devices are eth7 (and its peer), with addresses.
    void run(const std::function<void(int target)>& body) {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
        pid_t pid = fork();
        if (pid == 0) _exit(child(body));
        int status = 0;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == kNoVeth)
            GTEST_SKIP() << "the kernel makes no veth devices";
        EXPECT_EQ(status, 0) << "see the failures above";
    }

  private:
    static int child(const std::function<void(int)>& body) {
        if (unshare(CLONE_NEWNET) < 0) return 1;
        UniqueFd target = own_netns();
        if (unshare(CLONE_NEWNET) < 0) return 1;
        if (make_veth("eth7", "peer7") != 0) return kNoVeth;
        EXPECT_EQ(add_address("eth7", "10.9.8.7", 24, RT_SCOPE_UNIVERSE), 0);
        EXPECT_EQ(add_address("eth7", "169.254.1.2", 16, RT_SCOPE_LINK), 0);
        EXPECT_EQ(add_address("eth7", "10.9.9.9", 24, RT_SCOPE_UNIVERSE, 3600), 0);
        if (exists("/proc/net/if_inet6")) EXPECT_EQ(add_address("eth7", "fd00::7", 64, RT_SCOPE_UNIVERSE), 0);
        set_up("eth7");
        body(target.get());
        fflush(stdout);
        return testing::Test::HasFailure() ? 1 : 0;
    }
};

TEST_F(NetDeviceTest, MovesRenamesAndKeepsAddresses) {
    run([](int target) {
        UniqueFd before = own_netns();
        move_device("eth7", target, "inside0");
        EXPECT_EQ(if_nametoindex("eth7"), 0U);
        EXPECT_NE(if_nametoindex("peer7"), 0U) << "the thread isn't back in its namespace";

        ASSERT_EQ(setns(target, CLONE_NEWNET), 0);
        EXPECT_NE(if_nametoindex("inside0"), 0U);
        EXPECT_TRUE(is_up("inside0"));
        EXPECT_EQ(interface_request(SIOCGIFMTU, "inside0").ifr_mtu, 1380);
        std::set<std::string> expected{"10.9.8.7"};
        if (exists("/proc/net/if_inet6")) expected.insert("fd00::7");
        EXPECT_EQ(addresses("inside0"), expected) << "neither link-local ones nor those with a lifetime";
    });
}

TEST_F(NetDeviceTest, KeepsItsName) {
    run([](int target) {
        move_device("eth7", target);
        ASSERT_EQ(setns(target, CLONE_NEWNET), 0);
        EXPECT_NE(if_nametoindex("eth7"), 0U);
    });
}

TEST_F(NetDeviceTest, AnAbsentDeviceIsNotFound) {
    run([](int target) {
        try {
            move_device("eth8", target);
            ADD_FAILURE() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::not_found);
            EXPECT_STREQ(error.what(), "network device eth8: no such device");
        }
    });
}

TEST_F(NetDeviceTest, ATakenNameIsAConflictAndNothingChanges) {
    run([](int target) {
        UniqueFd own = own_netns();
        ASSERT_EQ(setns(target, CLONE_NEWNET), 0);
        ASSERT_EQ(make_veth("taken0", "taken1"), 0);
        ASSERT_EQ(setns(own.get(), CLONE_NEWNET), 0);
        try {
            move_device("eth7", target, "taken0");
            ADD_FAILURE() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::conflict);
        }
        EXPECT_TRUE(is_up("eth7"));
        EXPECT_TRUE(addresses("eth7").contains("10.9.8.7"));
    });
}

}  // namespace
}  // namespace berth::sys

// SPDX-License-Identifier: Apache-2.0
#include "runtime/sysctl.h"

#include <gtest/gtest.h>

namespace berth::runtime {
namespace {

using spec::NamespaceType;

TEST(SysctlTest, TheFirstSeparatorDecides) {
    EXPECT_EQ(sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
    EXPECT_EQ(sysctl_path("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
    EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/100.rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
    EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.100/rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
}

TEST(SysctlTest, NothingLeadsOutOfProcSys) {
    EXPECT_EQ(sysctl_path(""), std::nullopt);
    EXPECT_EQ(sysctl_path("/kernel/sem"), std::nullopt);
    EXPECT_EQ(sysctl_path("net/../kernel/core_pattern"), std::nullopt);
    EXPECT_EQ(sysctl_path("net.//.kernel.core_pattern"), std::nullopt);
    EXPECT_EQ(sysctl_path("net//x"), std::nullopt);
    EXPECT_EQ(sysctl_path("net.ipv4."), std::nullopt);
}

TEST(SysctlTest, KnowsTheNamespaces) {
    EXPECT_EQ(sysctl_namespace("net/core/somaxconn"), NamespaceType::network);
    EXPECT_EQ(sysctl_namespace("kernel/shmmax"), NamespaceType::ipc);
    EXPECT_EQ(sysctl_namespace("fs/mqueue/msg_max"), NamespaceType::ipc);
    EXPECT_EQ(sysctl_namespace("kernel/domainname"), NamespaceType::uts);
    EXPECT_EQ(sysctl_namespace("kernel/core_pattern"), std::nullopt);
    EXPECT_EQ(sysctl_namespace("kernel/semaphore"), std::nullopt);
    EXPECT_EQ(sysctl_namespace("vm/swappiness"), std::nullopt);
    EXPECT_EQ(sysctl_namespace("netx/y"), std::nullopt);
}

}  // namespace
}  // namespace berth::runtime

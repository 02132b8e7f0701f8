// SPDX-License-Identifier: Apache-2.0
#include "sys/cgroup_layout.h"

#include <gtest/gtest.h>

namespace berth::sys {
namespace {

using Mode = CgroupLayout::Mode;

bool always(const std::string&, std::string_view) {
    return true;
}

TEST(CgroupLayout, ReadsPureV2) {
    CgroupLayout layout = CgroupLayout::parse(
        "23 1 0:22 / / rw - ext4 /dev/sda rw\n"
        "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
        "rw,nsdelegate,memory_recursiveprot\n",
        "0::/user.slice/x.scope\n", always);
    EXPECT_EQ(layout.mode(), Mode::v2);
    ASSERT_EQ(layout.hierarchies().size(), 1u);
    EXPECT_EQ(layout.unified()->mount_point, "/sys/fs/cgroup");
    EXPECT_EQ(layout.unified()->own_path, "/user.slice/x.scope");
    EXPECT_EQ(layout.v1("memory"), nullptr);
}

TEST(CgroupLayout, ReadsHybridWithComountedControllersAndNames) {
    CgroupLayout layout = CgroupLayout::parse(
        "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate\n"
        "33 31 0:30 / /sys/fs/cgroup/systemd rw shared:6 - cgroup cgroup rw,xattr,name=systemd\n"
        "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/my\\040memory rw - cgroup cgroup rw,memory\n",
        "12:memory:/a\n4:cpu,cpuacct:/\n3:pids:/\n1:name=systemd:/init.scope\n0::/init.scope\n", always);
    EXPECT_EQ(layout.mode(), Mode::hybrid);
    // pids has no mount.
    ASSERT_EQ(layout.hierarchies().size(), 4u);
    EXPECT_TRUE(layout.hierarchies()[0].unified());
    ASSERT_NE(layout.v1("cpuacct"), nullptr);
    EXPECT_EQ(layout.v1("cpuacct"), layout.v1("cpu"));
    EXPECT_EQ(layout.v1("cpu")->controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
    EXPECT_EQ(layout.v1("memory")->mount_point, "/sys/fs/cgroup/my memory");
    EXPECT_EQ(layout.v1("memory")->own_path, "/a");
    EXPECT_TRUE(layout.v1("name=systemd")->xattr);
    EXPECT_TRUE(layout.v1("name=systemd")->controllers.empty());
    EXPECT_EQ(layout.v1("pids"), nullptr);
    EXPECT_EQ(layout.v1("cpuset"), nullptr);
}

TEST(CgroupLayout, SkipsCoveredAndSecondMounts) {
    auto visible = [](const std::string& point, std::string_view device) {
        return !(point == "/sys/fs/cgroup/pids" && device == "0:40");
    };
    CgroupLayout layout = CgroupLayout::parse(
        "32 31 0:40 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
        "33 31 0:41 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "34 31 0:41 / /mnt/memory rw - cgroup cgroup rw,memory\n",
        "2:memory:/\n1:pids:/\n0::/\n", visible);
    EXPECT_EQ(layout.mode(), Mode::v1);
    ASSERT_EQ(layout.hierarchies().size(), 1u);
    EXPECT_EQ(layout.v1("memory")->mount_point, "/sys/fs/cgroup/memory");
    EXPECT_EQ(layout.unified(), nullptr);
}

TEST(CgroupLayout, CutsTheMountsRootOffPaths) {
    CgroupLayout layout =
        CgroupLayout::parse("33 31 0:41 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
                            "2:memory:/docker/abc\n", always);
    EXPECT_EQ(layout.v1("memory")->own_path, "/");
    EXPECT_EQ(layout.v1("memory")->below_mount("/docker/abc/berth-oci/x"), "/berth-oci/x");
    EXPECT_EQ(layout.v1("memory")->below_mount("/docker/abcd/x"), "/");
}

TEST(CgroupLayout, WithoutMountsThereIsNone) {
    EXPECT_EQ(CgroupLayout::parse("", "0::/\n", always).mode(), Mode::none);
}

TEST(CgroupKey, FindsWholeNames) {
    EXPECT_TRUE(cgroup_key_has("cpu,cpuacct", "cpu"));
    EXPECT_TRUE(cgroup_key_has("cpu,cpuacct", "cpuacct"));
    EXPECT_FALSE(cgroup_key_has("cpuacct", "cpu"));
    EXPECT_FALSE(cgroup_key_has("", "cpu"));
    EXPECT_TRUE(cgroup_key_has("name=systemd", "name=systemd"));
}

}  // namespace
}  // namespace berth::sys

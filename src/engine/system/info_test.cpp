// SPDX-License-Identifier: Apache-2.0
#include "engine/system/info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::engine {
namespace {

TEST(Info, CredentialsOfProxiesAreMasked) {
    EXPECT_EQ(mask_credentials("http://user:secret@proxy:3128/x@y"), "http://xxxxx:xxxxx@proxy:3128/x@y");
    EXPECT_EQ(mask_credentials("http://user@proxy"), "http://xxxxx:xxxxx@proxy");
    EXPECT_EQ(mask_credentials("http://proxy:3128/a@b"), "http://proxy:3128/a@b");
    EXPECT_EQ(mask_credentials("proxy:3128"), "proxy:3128");
    EXPECT_EQ(mask_credentials(""), "");
}

TEST(Info, FollowsFromConfigurationAndHost) {
    DaemonConfig config;
    config.data_root = "/";
    config.registry_mirrors = {"https://mirror.example"};
    config.insecure_registries = {"10.0.0.0/8", "reg.example:5000"};
    config.hosts = {"unix:///x.sock", "tcp://0.0.0.0:2375"};
    config.default_cgroupns_mode = "private";
    HostFacts host;
    host.seccomp = true;
    host.cgroup_namespaces = true;
    host.cgroup_version = 2;
    auto info = describe_daemon(config, host);
    EXPECT_EQ(info.CgroupVersion, "2");
    EXPECT_EQ(info.SecurityOptions,
              (std::vector<std::string>{"name=seccomp,profile=builtin", "name=cgroupns"}));
    EXPECT_EQ(info.RegistryConfig_.IndexConfigs.at("docker.io").Mirrors,
              std::vector<std::string>{"https://mirror.example/"});
    EXPECT_FALSE(info.RegistryConfig_.IndexConfigs.at("reg.example:5000").Secure);
    EXPECT_THAT(info.RegistryConfig_.InsecureRegistryCIDRs, testing::Contains("10.0.0.0/8"));
    ASSERT_TRUE(info.Warnings);
    EXPECT_THAT(*info.Warnings,
                testing::Contains(testing::HasSubstr("API is accessible on http://0.0.0.0:2375")));
    EXPECT_GT(info.NFd, 0);
    EXPECT_EQ(info.Runtimes.count("runc"), 1u);
}

TEST(Info, VersionsForOldAndNewClients) {
    HostFacts host;
    host.kernel_release = "6.1.0";
    auto version = describe_version(host, false);
    EXPECT_EQ(version.ApiVersion, "1.51");
    EXPECT_EQ(version.MinAPIVersion, "1.24");
    ASSERT_FALSE(version.Components.empty());
    EXPECT_EQ(version.Components.front().Name, "Engine");
    EXPECT_EQ(version.Components.front().Details.at("ApiVersion"), "1.51");
    EXPECT_EQ(version.Components.front().Details.at("KernelVersion"), "6.1.0");
}

}  // namespace
}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/device_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/oci/oci_fixture.h"

namespace berth::engine {

namespace {

using spec::api::DeviceMapping;
using spec::api::HostConfig;

std::string text_of(const spec::DeviceRule& rule) {
    auto number = [](const std::optional<int64_t>& value) { return value ? std::to_string(*value) : "*"; };
    return fmt::format("{} {} {}:{} {}", rule.allow ? "allow" : "deny", rule.type.empty() ? "a" : rule.type,
                       number(rule.major), number(rule.minor), rule.access);
}

TEST(DeviceRules, CgroupRules) {
    EXPECT_EQ(text_of(parse_device_cgroup_rule("c 13:* rwm")), "allow c 13:* rwm");
    EXPECT_EQ(text_of(parse_device_cgroup_rule("b *:1 r")), "allow b *:1 r");
    EXPECT_EQ(text_of(parse_device_cgroup_rule("a")), "allow a *:* rwm");
    EXPECT_EQ(text_of(parse_device_cgroup_rule("a *:* rwm")), "allow a *:* rwm");
    for (const char* wrong : {"", "c", "c 1:2", "d 1:2 r", "c 1 r", "c 1:2 x", "c 1:2 rwmr", "c 1:2:3 r",
                              "c -1:2 r", "c 1:2  r", "c 1:2 r ", "c : r"})
        EXPECT_EQ(error_of([&] { parse_device_cgroup_rule(wrong); }),
                  fmt::format("invalid device cgroup rule format: '{}'", wrong));
    EXPECT_EQ(error_of([&] { parse_device_cgroup_rule("c 5000:2 r"); }),
              "invalid major value in device cgroup rule format: 'c 5000:2 r'");
    EXPECT_THAT(error_of([&] { parse_device_cgroup_rule("a 1:3 m"); }),
                testing::HasSubstr("this format is partially ineffective: 'a 1:3 m'"));
}

TEST(DeviceRules, DefaultsThenTheUsers) {
    HostConfig config;
    config.Devices = {{"/dev/null", "/dev/nothing", "r"}, {"/dev/zero", "", ""}};
    config.DeviceCgroupRules = {"c 13:* rwm"};
    DeviceSet devices = container_devices(config);
    std::vector<std::string> rules;
    for (const auto& rule : devices.rules) rules.push_back(text_of(rule));
    EXPECT_THAT(rules, testing::ElementsAre("deny a *:* rwm", "allow c 1:5 rwm", "allow c 1:3 rwm",
                                            "allow c 1:9 rwm", "allow c 1:8 rwm", "allow c 5:0 rwm",
                                            "allow c 5:1 rwm", "deny c 10:229 rwm", "allow c 1:3 r",
                                            "allow c 1:5 rwm", "allow c 13:* rwm"));
    ASSERT_EQ(devices.nodes.size(), 2U);
    EXPECT_EQ(devices.nodes[0].path, "/dev/nothing");
    EXPECT_EQ(devices.nodes[0].type, "c");
    EXPECT_EQ(devices.nodes[0].fileMode, 0666U);
    EXPECT_EQ(devices.nodes[1].path, "/dev/zero");
}

TEST(DeviceRules, FoldersStandForTheirDevices) {
    HostConfig config;
    config.Devices = {{"/dev/pts", "/dev/terminals/", "rw"}};
    DeviceSet devices = container_devices(config);
    ASSERT_FALSE(devices.nodes.empty());
    for (const auto& node : devices.nodes) EXPECT_TRUE(node.path.starts_with("/dev/terminals/")) << node.path;
}

TEST(DeviceRules, WhatIsNoDevice) {
    HostConfig config;
    config.Devices = {{"/dev/there-is-none", "", ""}};
    EXPECT_EQ(error_of([&] { container_devices(config); }),
              "error gathering device information while adding custom device \"/dev/there-is-none\": no such "
              "file or directory");
    config.Devices = {{"/proc/self/status", "", ""}};
    EXPECT_EQ(error_of([&] { container_devices(config); }),
              "error gathering device information while adding custom device \"/proc/self/status\": not a "
              "device node");
}

TEST(DeviceRules, PrivilegedHasAll) {
    HostConfig config;
    config.Privileged = true;
    config.Devices = {{"/dev/null", "/dev/null", "rwm"}, {"/dev/null", "/dev/nothing", "rwm"}};
    DeviceSet devices = container_devices(config);
    ASSERT_EQ(devices.rules.size(), 1U);
    EXPECT_EQ(text_of(devices.rules[0]), "allow a *:* rwm");
    auto count = [&](std::string_view path) {
        return std::ranges::count(devices.nodes, path, &spec::Device::path);
    };
    EXPECT_EQ(count("/dev/null"), 1);
    EXPECT_EQ(count("/dev/nothing"), 1);
    EXPECT_EQ(count("/dev/console"), 0);
    for (const auto& node : devices.nodes) EXPECT_FALSE(node.path.starts_with("/dev/pts/"));
}

TEST(DeviceRules, RequestsNeedADriver) {
    HostConfig config;
    check_device_requests(config);
    config.DeviceRequests = {{"nvidia", -1, {}, {{{"gpu", "x"}, {"y"}}}, {}}};
    EXPECT_EQ(error_of([&] { check_device_requests(config); }),
              "could not select device driver \"nvidia\" with capabilities: [[gpu x] [y]]");
}

}  // namespace

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "runtime/validate.h"

namespace berth::runtime {
namespace {

using spec::NamespaceType;

const ValidateContext kContext{.bundle = "/", .root_is_given = true};

/// With the namespaces that are named.
spec::Config config_with(std::initializer_list<NamespaceType> types) {
    spec::Config config{.ociVersion = "1.2.1",
                        .process = spec::Process{.args = {"true"}, .cwd = "/"},
                        .linux_ = spec::Linux{}};
    for (NamespaceType type : types) config.linux_->namespaces.push_back({.type = type});
    return config;
}

const std::initializer_list<NamespaceType> kUsual = {NamespaceType::mount, NamespaceType::uts,
                                                     NamespaceType::ipc, NamespaceType::network};

std::string error_of(const spec::Config& config, const ValidateContext& context = kContext) {
    try {
        validate(config, context);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "";
}

struct Case {
    const char* message;
    std::function<void(spec::Linux&)> change;
};

void expect_errors(std::initializer_list<NamespaceType> types, std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        spec::Config config = config_with(types);
        one.change(*config.linux_);
        std::string error = error_of(config);
        EXPECT_EQ(error.substr(0, std::string_view(one.message).size()), one.message) << error;
    }
}

TEST(ValidateLinuxTest, Namespaces) {
    EXPECT_EQ(error_of(config_with({NamespaceType::pid, NamespaceType::mount, NamespaceType::network,
                                    NamespaceType::network})),
              "linux.namespaces[3]: the type network is given twice");
    expect_errors(kUsual, {{"linux.namespaces[0].path: must be an absolute path",
                            [](auto& l) { l.namespaces[0].path = "proc/1/ns/mnt"; }}});
    spec::Config config = config_with({});
    config.linux_.reset();
    EXPECT_EQ(error_of(config), "");
    EXPECT_EQ(error_of(config, {.bundle = "/", .root_is_given = true, .rootless = true}),
              "linux.namespaces: without root a user namespace is needed");
}

TEST(ValidateLinuxTest, WhatNeedsANamespaceSaysSo) {
    spec::Config config = config_with({});
    config.hostname = "x";
    EXPECT_EQ(error_of(config), "hostname: cannot be set without a uts namespace");
    config.hostname = "";
    config.domainname = "x";
    EXPECT_EQ(error_of(config), "domainname: cannot be set without a uts namespace");
    expect_errors(
        {}, {
                {"linux.uidMappings: needs a user namespace", [](auto& l) { l.uidMappings = {{0, 0, 1}}; }},
                {"linux.timeOffsets: needs a time namespace",
                 [](auto& l) { l.timeOffsets["monotonic"] = {1, 0}; }},
                {"linux.maskedPaths: needs a mount namespace", [](auto& l) { l.maskedPaths = {"/x"}; }},
                {"linux.readonlyPaths: needs a mount namespace", [](auto& l) { l.readonlyPaths = {"/x"}; }},
                {"linux.netDevices: needs a network namespace", [](auto& l) { l.netDevices["eth0"] = {}; }},
                {"linux.sysctl.net.core.somaxconn: needs a network",
                 [](auto& l) { l.sysctl["net.core.somaxconn"] = "1"; }},
                {"linux.sysctl.kernel.shmmax: needs a ipc", [](auto& l) { l.sysctl["kernel.shmmax"] = "1"; }},
                {"linux.sysctl.kernel.domainname: needs a uts",
                 [](auto& l) { l.sysctl["kernel.domainname"] = "1"; }},
            });
}

TEST(ValidateLinuxTest, UserMappings) {
    auto map = [](std::vector<spec::IdMapping> uids, std::vector<spec::IdMapping> gids = {{0, 0, 1}}) {
        return [=](spec::Linux& l) {
            l.uidMappings = uids;
            l.gidMappings = gids;
        };
    };
    expect_errors({NamespaceType::user},
                  {
                      {"linux.uidMappings: a new user namespace needs them", map({})},
                      {"linux.gidMappings: a new user namespace needs them", map({{0, 0, 1}}, {})},
                      {"linux.uidMappings[1].size: must not be zero", map({{0, 0, 1}, {1, 1, 0}})},
                      {"linux.uidMappings[0]: goes past the last container id", map({{0xfffffff0, 0, 16}})},
                      {"linux.uidMappings[0]: goes past the last host id", map({{0, 0xfffffff0, 16}})},
                      {"linux.uidMappings[1]: overlaps linux.uidMappings[0] in the container",
                       map({{0, 0, 10}, {9, 100, 10}})},
                      {"linux.gidMappings[1]: overlaps linux.gidMappings[0] on the host",
                       map({{0, 0, 1}}, {{0, 100, 10}, {20, 95, 6}})},
                  });
    spec::Config config = config_with({NamespaceType::user});
    map({{0, 1000, 10}, {10, 1010, 10}})(*config.linux_);
    EXPECT_EQ(error_of(config), "");
    // A namespace that is joined has its own.
    config = config_with({});
    config.linux_->namespaces = {{NamespaceType::user, "/proc/1/ns/user"}};
    EXPECT_EQ(error_of(config), "");
}

TEST(ValidateLinuxTest, TimeOffsets) {
    expect_errors({NamespaceType::time},
                  {
                      {"linux.timeOffsets.realtime: unknown clock",
                       [](auto& l) { l.timeOffsets["realtime"] = {1, 0}; }},
                      {"linux.timeOffsets.boottime.nanosecs: ",
                       [](auto& l) { l.timeOffsets["boottime"] = {1, 1'000'000'000}; }},
                      {"linux.timeOffsets: cannot be set in a time namespace that is joined",
                       [](auto& l) {
                           l.namespaces[0].path = "/proc/1/ns/time";
                           l.timeOffsets["boottime"] = {1, 0};
                       }},
                  });
}

TEST(ValidateLinuxTest, Devices) {
    auto with = [](std::vector<spec::Device> value) { return [=](spec::Linux& l) { l.devices = value; }; };
    expect_errors(
        kUsual,
        {
            {"linux.devices[0].type: \"x\": must be c, u, b or p", with({{.type = "x", .path = "/dev/x"}})},
            {"linux.devices[0].path: must be an absolute path", with({{.type = "p", .path = "x"}})},
            {"linux.devices[0].major: is required", with({{.type = "c", .path = "/x", .minor = 1}})},
            {"linux.devices[0].minor: is required", with({{.type = "c", .path = "/x", .major = 1}})},
            {"linux.devices[0].minor: must be from 0",
             with({{.type = "c", .path = "/x", .major = 1, .minor = -1}})},
            {"linux.devices[0].fileMode: ", with({{.type = "p", .path = "/x", .fileMode = 0x100000}})},
            {"linux.devices[1].path: /x is another device at [0]",
             with({{.type = "p", .path = "/x"}, {.type = "c", .path = "/x", .major = 1, .minor = 3}})},
        });
    spec::Config config = config_with(kUsual);
    with({{.type = "p", .path = "/x"}, {.type = "p", .path = "/x"}})(*config.linux_);
    EXPECT_EQ(error_of(config), "");
}

TEST(ValidateLinuxTest, NetDevices) {
    expect_errors(kUsual, {
                              {"linux.netDevices: \"a/b\" is not the name of an interface",
                               [](auto& l) { l.netDevices["a/b"] = {}; }},
                              {"linux.netDevices.eth0.name: \"0123456789abcdef\"",
                               [](auto& l) { l.netDevices["eth0"] = {"0123456789abcdef"}; }},
                              {"linux.netDevices.eth1: two devices are called \"x\"",
                               [](auto& l) {
                                   l.netDevices["eth0"] = {"x"};
                                   l.netDevices["eth1"] = {"x"};
                               }},
                              {"linux.netDevices: needs a network namespace that is not the host's",
                               [](auto& l) {
                                   l.namespaces[3].path = "/proc/self/ns/net";
                                   l.netDevices["eth0"] = {};
                               }},
                          });
}

TEST(ValidateLinuxTest, Sysctl) {
    spec::Config config = config_with(kUsual);
    config.linux_->sysctl = {{"net.core.somaxconn", "1"},     {"net/ipv4/conf/eth0.1/rp_filter", "1"},
                             {"kernel.shm_rmid_forced", "1"}, {"kernel.sem", "1"},
                             {"fs.mqueue.msg_max", "1"},      {"kernel.domainname", "x"}};
    EXPECT_EQ(error_of(config), "");
    expect_errors(kUsual,
                  {
                      {"linux.sysctl.kernel.core_pattern: is not in a separate kernel namespace",
                       [](auto& l) { l.sysctl["kernel.core_pattern"] = "|/x"; }},
                      {"linux.sysctl.vm.swappiness: ", [](auto& l) { l.sysctl["vm.swappiness"] = "1"; }},
                      {"linux.sysctl: \"net/../kernel/sem\" is not the name",
                       [](auto& l) { l.sysctl["net/../kernel/sem"] = "1"; }},
                      {"linux.sysctl.net.core.somaxconn: needs a network namespace that is not the host's",
                       [](auto& l) {
                           l.namespaces[3].path = "/proc/self/ns/net";
                           l.sysctl["net.core.somaxconn"] = "1";
                       }},
                  });
    config = config_with(kUsual);
    config.hostname = "a";
    config.linux_->sysctl["kernel.hostname"] = "b";
    EXPECT_EQ(error_of(config), "linux.sysctl.kernel.hostname: conflicts with hostname");
}

TEST(ValidateLinuxTest, TheRest) {
    auto policy = [](spec::MemoryPolicy value) { return [=](spec::Linux& l) { l.memoryPolicy = value; }; };
    auto rdt = [](spec::IntelRdt value) { return [=](spec::Linux& l) { l.intelRdt = value; }; };
    expect_errors(
        kUsual,
        {
            {"linux.maskedPaths[1]: must be an absolute path", [](auto& l) { l.maskedPaths = {"/a", "b"}; }},
            {"linux.rootfsPropagation: unknown propagation \"x\"",
             [](auto& l) { l.rootfsPropagation = "x"; }},
            {"linux.personality.domain: \"BSD\"",
             [](auto& l) { l.personality = spec::Personality{.domain = "BSD"}; }},
            {"linux.personality.flags: ",
             [](auto& l) { l.personality = spec::Personality{.domain = "LINUX", .flags = {"x"}}; }},
            {"linux.seccomp.defaultAction: ", [](auto& l) { l.seccomp = spec::Seccomp{}; }},
            {"linux.memoryPolicy.mode: ", policy({.mode = "X"})},
            {"linux.memoryPolicy.nodes: MPOL_BIND needs nodes", policy({.mode = "MPOL_BIND"})},
            {"linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes",
             policy({.mode = "MPOL_LOCAL", .nodes = "0"})},
            {"linux.memoryPolicy.nodes: ", policy({.mode = "MPOL_BIND", .nodes = "x"})},
            {"linux.memoryPolicy.flags[0]: ", policy({.mode = "MPOL_BIND", .nodes = "0", .flags = {"X"}})},
            {"linux.memoryPolicy.flags: ",
             policy({.mode = "MPOL_BIND",
                     .nodes = "0",
                     .flags = {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"}})},
            {"linux.intelRdt.closID: ", rdt({.closID = "../x"})},
            {"linux.intelRdt.memBwSchema: ", rdt({.memBwSchema = "L3:0=1"})},
            {"linux.intelRdt.schemata[0]: ", rdt({.schemata = {"L3:0=1\nMB:0=1"}})},
        });
}

}  // namespace
}  // namespace berth::runtime

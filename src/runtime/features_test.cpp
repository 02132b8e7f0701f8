// SPDX-License-Identifier: Apache-2.0
#include "runtime/features.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/json.h"
#include "runtime/validate.h"

namespace berth::runtime {
namespace {

std::set<std::string> texts(const json::Value& array) {
    std::set<std::string> result;
    for (const json::Value& one : array.as_array()) result.emplace(one.as_string());
    EXPECT_EQ(result.size(), array.as_array().size()) << "something is listed twice";
    return result;
}

// The members and types of features-schema.json and features-linux.json.
TEST(FeaturesTest, HasTheFormOfTheSpecification) {
    json::Value features = json::parse(features_json());
    EXPECT_EQ(features.at("ociVersionMin").as_string(), "1.0.0");
    EXPECT_EQ(features.at("ociVersionMax").as_string(), spec::kRuntimeSpecVersion);
    EXPECT_EQ(texts(features.at("hooks")).size(), 6U);
    EXPECT_TRUE(texts(features.at("mountOptions")).contains("rro"));
    EXPECT_TRUE(features.at("potentiallyUnsafeConfigAnnotations").is_array());
    for (const auto& annotation : features.at("annotations").as_object())
        EXPECT_TRUE(annotation.value().is_string());

    const json::Value& linux = features.at("linux");
    EXPECT_EQ(texts(linux.at("namespaces")),
              (std::set<std::string>{"mount", "pid", "network", "uts", "ipc", "user", "cgroup", "time"}));
    for (const std::string& name : texts(linux.at("capabilities"))) {
        EXPECT_TRUE(name.starts_with("CAP_"));
        EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string::npos);
    }
    for (const char* version : {"v1", "v2", "systemd", "systemdUser", "rdma"})
        EXPECT_TRUE(linux.at("cgroup").at(version).is_bool());
    for (const char* part : {"seccomp", "apparmor", "selinux", "intelRdt", "netDevices"})
        EXPECT_TRUE(linux.at(part).at("enabled").is_bool());
    EXPECT_TRUE(linux.at("mountExtensions").at("idmap").at("enabled").as_bool());
}

// What is announced must be accepted.
TEST(FeaturesTest, AnnouncedSeccompNamesAreValid) {
    const json::Value features = json::parse(features_json());
    const json::Value& seccomp = features.at("linux").at("seccomp");
    auto config = [] {
        return spec::Config{
            .ociVersion = "1.2.1",
            .process = spec::Process{.args = {"x"}, .cwd = "/"},
            .linux_ = spec::Linux{.seccomp = spec::Seccomp{.defaultAction = "SCMP_ACT_ALLOW"}}};
    };
    ValidateContext context{.bundle = "/", .root_is_given = true};
    for (const std::string& action : texts(seccomp.at("actions"))) {
        spec::Config one = config();
        one.linux_->seccomp->listenerPath = "/x";
        one.linux_->seccomp->syscalls = {{.names = {"read"}, .action = action}};
        EXPECT_NO_THROW(validate(one, context)) << action;
    }
    for (const std::string& op : texts(seccomp.at("operators"))) {
        spec::Config one = config();
        one.linux_->seccomp->syscalls = {
            {.names = {"read"}, .action = "SCMP_ACT_ERRNO", .args = {{.op = op}}}};
        EXPECT_NO_THROW(validate(one, context)) << op;
    }
    for (const char* member : {"archs", "knownFlags"}) {
        for (const std::string& name : texts(seccomp.at(member))) {
            spec::Config one = config();
            (member == std::string("archs") ? one.linux_->seccomp->architectures
                                            : one.linux_->seccomp->flags) = {name};
            EXPECT_NO_THROW(validate(one, context)) << name;
        }
    }
    for (const std::string& flag : texts(seccomp.at("supportedFlags")))
        EXPECT_TRUE(texts(seccomp.at("knownFlags")).contains(flag));
}

}  // namespace
}  // namespace berth::runtime

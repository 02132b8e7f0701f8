// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/seccomp_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "engine/oci/capability_rules.h"
#include "engine/oci/oci_fixture.h"
#include "runtime/capabilities.h"
#include "runtime/seccomp.h"

namespace berth::engine {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

uint64_t capability(std::string_view name) {
    return uint64_t{1} << runtime::capability_number(name).value();
}

/// Actions of the rules that name a system call, in order; with "?" where they look at arguments.
std::vector<std::string> actions(const spec::Seccomp& seccomp, std::string_view name) {
    std::vector<std::string> result;
    for (const auto& rule : seccomp.syscalls)
        if (std::ranges::find(rule.names, name) != rule.names.end())
            result.push_back(rule.action + (rule.args.empty() ? "" : "?"));
    return result;
}

TEST(SeccompProfile, DefaultProfileFollowsCapabilities) {
    HostFacts host = test_host();
    auto usual = seccomp_profile("", container_capabilities({}, host.capabilities), host);
    const spec::Seccomp& seccomp = usual->seccomp;
    EXPECT_EQ(seccomp.defaultAction, "SCMP_ACT_ERRNO");
    EXPECT_EQ(seccomp.defaultErrnoRet, 1U);
    EXPECT_THAT(seccomp.architectures, ElementsAre("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
    EXPECT_THAT(actions(seccomp, "mount"), ElementsAre());
    EXPECT_THAT(actions(seccomp, "chroot"), ElementsAre("SCMP_ACT_ALLOW"));
    EXPECT_THAT(actions(seccomp, "clone"), ElementsAre("SCMP_ACT_ALLOW?"));
    EXPECT_THAT(actions(seccomp, "clone3"), ElementsAre("SCMP_ACT_ERRNO"));
    EXPECT_THAT(actions(seccomp, "ptrace"), ElementsAre("SCMP_ACT_ALLOW"));
    EXPECT_THAT(actions(seccomp, "arch_prctl"), ElementsAre("SCMP_ACT_ALLOW"));
    EXPECT_THAT(actions(seccomp, "riscv_flush_icache"), ElementsAre());
    runtime::check_seccomp(seccomp);

    auto admin = seccomp_profile("", capability("CAP_SYS_ADMIN"), host);
    EXPECT_THAT(actions(admin->seccomp, "mount"), ElementsAre("SCMP_ACT_ALLOW"));
    EXPECT_THAT(actions(admin->seccomp, "clone3"), ElementsAre("SCMP_ACT_ALLOW"));
    EXPECT_THAT(actions(admin->seccomp, "chroot"), ElementsAre());
}

TEST(SeccompProfile, FollowsTheKernelAndTheMachine) {
    HostFacts host = test_host();
    host.kernel_major = 4;
    host.kernel_minor = 7;
    host.architecture = "aarch64";
    // Another capability set than in other tests: results are kept by it.
    auto profile = seccomp_profile("", capability("CAP_LEASE"), host);
    EXPECT_THAT(actions(profile->seccomp, "ptrace"), ElementsAre());
    EXPECT_THAT(profile->seccomp.architectures, ElementsAre("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"));
    EXPECT_THAT(actions(profile->seccomp, "arm_fadvise64_64"), ElementsAre("SCMP_ACT_ALLOW"));
}

TEST(SeccompProfile, IsKeptAlsoAsText) {
    HostFacts host = test_host();
    auto first = seccomp_profile("", 0, host);
    EXPECT_EQ(first, seccomp_profile("", 0, host));
    EXPECT_NE(first, seccomp_profile("", 1, host));
    EXPECT_EQ(json::parse(first->text), json::encode(first->seccomp));
}

TEST(SeccompProfile, ProfilesOfUsers) {
    HostFacts host = test_host();
    auto profile = seccomp_profile(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],
        "syscalls":[{"name":"chmod","action":"SCMP_ACT_ERRNO","errnoRet":38,
                     "args":[{"index":1,"value":7,"op":"SCMP_CMP_EQ"}]},
                    {"names":["mkdir"],"action":"SCMP_ACT_KILL","excludes":{"minKernel":"5.0"}}]})",
                                   0, host);
    ASSERT_EQ(profile->seccomp.syscalls.size(), 1U);
    EXPECT_EQ(profile->seccomp.syscalls[0].errnoRet, 38U);
    EXPECT_THAT(profile->seccomp.architectures, ElementsAre("SCMP_ARCH_X86"));
    EXPECT_EQ(seccomp_profile("{}", 0, host), nullptr);

    auto error = [&](const char* text) { return error_of([&] { seccomp_profile(text, 0, host); }); };
    EXPECT_THAT(error("foo"), HasSubstr("Decoding seccomp profile failed: "));
    EXPECT_THAT(error(R"({"syscalls":[{"name":"a","names":["b"]}]})"),
                HasSubstr("both 'name' and 'names' are specified"));
    EXPECT_THAT(error(R"({"architectures":["a"],"archMap":[{"architecture":"b"}]})"),
                HasSubstr("both 'architectures' and 'archMap' are specified"));
    EXPECT_THAT(error(R"({"syscalls":[{"names":["a"],"includes":{"minKernel":"x"}}]})"),
                HasSubstr("invalid kernel version"));
}

}  // namespace

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/update_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/oci/oci_fixture.h"

namespace berth::engine {

namespace {

UpdatePlan update(const std::string& has, const std::string& wanted) {
    CreateCase create;
    auto now = create.host_config(has).host_config;
    return apply_update_rules("abc", now, spec::api::decode_update_request(json::parse("{" + wanted + "}")),
                              create.host);
}

TEST(UpdateRules, OnlyWhatWasAskedChanges) {
    UpdatePlan plan = update(R"("Memory":10000000,"CpuShares":7,"PidsLimit":3)",
                             R"("CpuShares":512,"CpusetCpus":"0","RestartPolicy":{"Name":"always"})");
    EXPECT_EQ(plan.host_config.CpuShares, 512);
    EXPECT_EQ(plan.host_config.CpusetCpus, "0");
    EXPECT_EQ(plan.host_config.Memory, 10000000);
    EXPECT_EQ(plan.host_config.RestartPolicy_.Name, "always");
    EXPECT_EQ(plan.resources.cpu->shares, 512U);
    EXPECT_EQ(plan.resources.cpu->cpus, "0");
    EXPECT_FALSE(plan.resources.memory || plan.resources.pids || plan.resources.blockIO ||
                 plan.resources.cpu->quota);
    EXPECT_TRUE(plan.resources.devices.empty());
}

TEST(UpdateRules, MemoryAndSwapGoTogether) {
    UpdatePlan plan = update(R"("Memory":10000000,"MemorySwap":50000000)", R"("Memory":20000000)");
    EXPECT_EQ(plan.host_config.MemorySwap, 50000000);
    EXPECT_EQ(plan.resources.memory->limit, 20000000);
    EXPECT_EQ(plan.resources.memory->swap, 50000000);
    plan = update(R"("Memory":10000000)", R"("MemorySwap":-1)");
    EXPECT_EQ(plan.resources.memory->limit, 10000000);
    EXPECT_EQ(plan.resources.memory->swap, -1);
    plan = update(R"("Memory":10000000,"MemorySwap":-1)", R"("Memory":20000000)");
    EXPECT_EQ(plan.resources.memory->swap, -1);
}

TEST(UpdateRules, PidsLimitCanBeTakenAway) {
    for (const char* unlimited : {R"("PidsLimit":0)", R"("PidsLimit":-1)"}) {
        UpdatePlan plan = update(R"("PidsLimit":5)", unlimited);
        EXPECT_EQ(plan.resources.pids->limit, -1);
        EXPECT_EQ(plan.host_config.PidsLimit, 0);
    }
}

TEST(UpdateRules, Conflicts) {
    struct Case {
        const char *has, *wanted, *message;
    };
    const Case cases[] = {
        {R"("CpuPeriod":5000)", R"("NanoCpus":1000000000)",
         "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set"},
        {R"("CpuQuota":5000)", R"("NanoCpus":1000000000)",
         "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set"},
        {R"("NanoCpus":1000000000)", R"("CpuPeriod":5000)",
         "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set"},
        {R"("NanoCpus":1000000000)", R"("CpuQuota":5000)",
         "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set"},
        {R"("Memory":10000000)", R"("Memory":90000000)",
         "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the "
         "same "
         "time"},
        {R"("AutoRemove":true)", R"("RestartPolicy":{"Name":"always"})",
         "Restart policy cannot be updated because AutoRemove is enabled for the container"},
    };
    for (const Case& one : cases) {
        ErrorKind kind = ErrorKind::internal;
        EXPECT_EQ(error_of([&] { update(one.has, one.wanted); }, &kind),
                  std::string("Cannot update container abc: ") + one.message);
        EXPECT_EQ(kind, ErrorKind::conflict);
    }
    EXPECT_EQ(error_of([&] { update("", R"("Memory":5)"); }), "Minimum memory limit allowed is 6MB");
    EXPECT_EQ(error_of([&] { update("", R"("RestartPolicy":{"Name":"foo"})"); }),
              "invalid restart policy 'foo'");
}

}  // namespace

}  // namespace berth::engine

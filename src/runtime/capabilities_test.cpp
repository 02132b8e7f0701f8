// SPDX-License-Identifier: Apache-2.0
#include "runtime/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>

#include <string>

#include "base/log.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

constexpr uint64_t bit(int number) {
    return uint64_t{1} << number;
}

/// What is logged while it lives.
class CapturedLog {
  public:
    CapturedLog() : before_(log::sink()) { log::set_sink({.fd = file_.get()}); }
    ~CapturedLog() { log::set_sink(before_); }
    std::string text() {
        lseek(file_.get(), 0, SEEK_SET);
        return sys::read_all(file_.get(), "log");
    }

  private:
    UniqueFd file_ = sys::memory_file("log", {});
    log::Sink before_;
};

TEST(CapabilitiesTest, NamesAndNumbersAgreeWithTheKernelsHeader) {
    EXPECT_EQ(capability_number("CAP_CHOWN"), CAP_CHOWN);
    EXPECT_EQ(capability_number("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
    EXPECT_EQ(capability_number("CAP_SETFCAP"), CAP_SETFCAP);
    EXPECT_EQ(capability_number("CAP_AUDIT_READ"), CAP_AUDIT_READ);
    EXPECT_EQ(capability_number("CAP_CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
    EXPECT_EQ(capability_names().size(), size_t{CAP_LAST_CAP} + 1);
    EXPECT_EQ(capability_number("CHOWN"), std::nullopt);
    EXPECT_EQ(capability_number("cap_chown"), std::nullopt);
}

TEST(CapabilitiesTest, BoundingSetIsWhatProcSays) {
    std::string status = sys::read_file("/proc/self/status");
    size_t at = status.find("CapBnd:\t");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(own_bounding_set(), std::stoull(status.substr(at + 8, 16), nullptr, 16));
    EXPECT_EQ(own_bounding_set() & ~kernel_capabilities(), 0U);
}

TEST(CapabilitiesTest, SetsBecomeMasks) {
    spec::Capabilities capabilities{
        .bounding = {"CAP_CHOWN", "CAP_KILL"},
        .effective = {"CAP_KILL"},
        .inheritable = {"CAP_CHOWN"},
        .permitted = {"CAP_CHOWN", "CAP_KILL"},
        .ambient = {"CAP_CHOWN"},
    };
    CapturedLog log;
    CapabilitySets expected{
        .bounding = bit(CAP_CHOWN) | bit(CAP_KILL),
        .effective = bit(CAP_KILL),
        .inheritable = bit(CAP_CHOWN),
        .permitted = bit(CAP_CHOWN) | bit(CAP_KILL),
        .ambient = bit(CAP_CHOWN),
    };
    EXPECT_EQ(make_capability_sets(capabilities, ~uint64_t{0}), expected);
    EXPECT_EQ(log.text(), "");
}

TEST(CapabilitiesTest, UnknownNamesAreLeftOutAndNamed) {
    CapturedLog log;
    CapabilitySets sets = make_capability_sets({.bounding = {"CAP_CHOWN", "CAP_FLY"}}, ~uint64_t{0});
    EXPECT_EQ(sets.bounding, bit(CAP_CHOWN));
    EXPECT_NE(log.text().find("process.capabilities.bounding"), std::string::npos);
    EXPECT_NE(log.text().find("CAP_FLY"), std::string::npos);
}

TEST(CapabilitiesTest, WhatTheHostLacksIsLeftOutWithOneWarning) {
    CapturedLog log;
    spec::Capabilities capabilities{
        .bounding = {"CAP_SYS_RESOURCE", "CAP_KILL", "CAP_MKNOD"},
        .effective = {"CAP_SYS_RESOURCE", "CAP_KILL"},
        .permitted = {"CAP_SYS_RESOURCE", "CAP_KILL"},
    };
    CapabilitySets sets =
        make_capability_sets(capabilities, ~(bit(CAP_SYS_RESOURCE) | bit(CAP_MKNOD)), "exec.capabilities");
    EXPECT_EQ(sets.bounding, bit(CAP_KILL));
    EXPECT_EQ(sets.effective, bit(CAP_KILL));
    std::string text = log.text();
    EXPECT_EQ(std::ranges::count(text, '\n'), 1);
    EXPECT_NE(text.find("exec.capabilities"), std::string::npos);
    EXPECT_NE(text.find("CAP_SYS_RESOURCE, CAP_MKNOD"), std::string::npos);
}

TEST(CapabilitiesTest, WhatTheKernelWouldRefuseIsLeftOut) {
    CapturedLog log;
    spec::Capabilities capabilities{
        .effective = {"CAP_KILL", "CAP_CHOWN"},
        .inheritable = {"CAP_KILL"},
        .permitted = {"CAP_KILL", "CAP_FOWNER"},
        .ambient = {"CAP_KILL", "CAP_FOWNER"},
    };
    CapabilitySets sets = make_capability_sets(capabilities, ~uint64_t{0});
    EXPECT_EQ(sets.effective, bit(CAP_KILL));
    EXPECT_EQ(sets.ambient, bit(CAP_KILL));
    EXPECT_NE(log.text().find("process.capabilities.effective"), std::string::npos);
    EXPECT_EQ(log.text().find("process.capabilities.ambient"), std::string::npos);  // only with --debug
}

}  // namespace
}  // namespace berth::runtime

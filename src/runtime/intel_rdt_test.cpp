// SPDX-License-Identifier: Apache-2.0
#include "runtime/intel_rdt.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

/// A folder in place of resctrl: the kernel's files are there only where the test puts them.
class IntelRdtTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "berth-rdt-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        resctrl_ = pattern;
    }
    void TearDown() override { sys::remove_tree_at(AT_FDCWD, resctrl_); }

    void make_class(const std::string& name, std::string_view schemata) {
        std::string path = resctrl_ + '/' + name;
        ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
        UniqueFd dir = sys::open_file(path, O_RDONLY | O_DIRECTORY);
        sys::write_file_atomic_at(dir.get(), "schemata", schemata);
        sys::write_file_atomic_at(dir.get(), "tasks", "");
    }
    std::string tasks(const std::string& name) { return sys::read_file(resctrl_ + '/' + name + "/tasks"); }

    std::string resctrl_;
};

TEST_F(IntelRdtTest, WithoutResctrlItIsLeftOutWithAWarning) {
    UniqueFd file = sys::memory_file("log", {});
    log::Sink before = log::sink();
    log::set_sink({.fd = file.get()});
    EXPECT_FALSE(apply_intel_rdt({.closID = "x"}, "c1", 42, std::nullopt));
    log::set_sink(before);
    EXPECT_NE(sys::read_file(fmt::format("/proc/self/fd/{}", file.get())).find("linux.intelRdt"),
              std::string::npos);
}

TEST_F(IntelRdtTest, APreparedClassIsJoined) {
    make_class("gold", "L3:0=7f;1=f\nMB:0=20\n");
    auto group = apply_intel_rdt({.closID = "gold"}, "c1", 42, resctrl_);
    ASSERT_TRUE(group);
    EXPECT_EQ(tasks("gold"), "42");
    remove_intel_rdt(*group);
    EXPECT_TRUE(sys::exists(resctrl_ + "/gold")) << "it wasn't ours";
}

TEST_F(IntelRdtTest, AClassThatIsNotThereNeedsSchemata) {
    EXPECT_THROW(apply_intel_rdt({.closID = "gold"}, "c1", 42, resctrl_), Error);
    EXPECT_FALSE(sys::exists(resctrl_ + "/gold"));
}

TEST_F(IntelRdtTest, SchemataOfAnExistingClassMustAgree) {
    make_class("gold", "    L3:0=07f;1=00f\n    MB:0=20;1=70\n");
    EXPECT_TRUE(apply_intel_rdt({.closID = "gold", .l3CacheSchema = "L3:1=F;0=7f", .memBwSchema = "MB:1=70"},
                                "c1", 42, resctrl_));
    EXPECT_THROW(apply_intel_rdt({.closID = "gold", .l3CacheSchema = "L3:0=3f"}, "c1", 42, resctrl_), Error);
    EXPECT_THROW(apply_intel_rdt({.closID = "gold", .schemata = {"L2:0=f"}}, "c1", 42, resctrl_), Error);
    EXPECT_THROW(apply_intel_rdt({.closID = "gold", .memBwSchema = "MB:1=7"}, "c1", 42, resctrl_), Error);
    // memBwSchema takes the place of a bandwidth line in l3CacheSchema.
    EXPECT_TRUE(
        apply_intel_rdt({.closID = "gold", .l3CacheSchema = "L3:0=7f\nMB:0=1", .memBwSchema = "MB:0=20"},
                        "c1", 42, resctrl_));
}

TEST_F(IntelRdtTest, NothingIsLeftAfterAFailure) {
    // A new folder has no schemata and tasks here, so they can't be written.
    EXPECT_THROW(apply_intel_rdt({.closID = "new", .l3CacheSchema = "L3:0=f"}, "c1", 42, resctrl_), Error);
    EXPECT_THROW(apply_intel_rdt({}, "c1", 42, resctrl_), Error);
    UniqueFd dir = sys::open_file(resctrl_, O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(sys::list_dir(dir.get()).empty());
}

TEST_F(IntelRdtTest, WhatIsOursIsRemovedAndMayBeGone) {
    ASSERT_EQ(mkdir((resctrl_ + "/c1").c_str(), 0755), 0);
    RdtGroup group{.group = resctrl_ + "/c1", .owned = true};
    remove_intel_rdt(group);
    EXPECT_FALSE(sys::exists(resctrl_ + "/c1"));
    EXPECT_NO_THROW(remove_intel_rdt(group));
}

}  // namespace
}  // namespace berth::runtime

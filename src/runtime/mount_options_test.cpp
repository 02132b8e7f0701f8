// SPDX-License-Identifier: Apache-2.0
#include "runtime/mount_options.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/unique_fd.h"

namespace berth::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

MountOptions parse(std::vector<std::string> options, std::string type = "tmpfs") {
    return parse_mount_options({.destination = "/x", .type = std::move(type), .options = std::move(options)},
                               "mounts[1]");
}

std::string error_of(const spec::Mount& mount) {
    try {
        parse_mount_options(mount, "mounts[1]");
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(MountOptionsTest, AttributesAreSetAndClearedInOrder) {
    MountOptions options = parse({"nosuid", "noexec", "ro", "exec", "nosymfollow", "nodiratime"});
    EXPECT_EQ(options.attr_set, uint64_t{MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSYMFOLLOW |
                                         MOUNT_ATTR_NODIRATIME});
    EXPECT_EQ(options.attr_clr, uint64_t{MOUNT_ATTR_NOEXEC});
    EXPECT_TRUE(options.read_only());
    EXPECT_FALSE(parse({"ro", "rw"}).read_only());
}

TEST(MountOptionsTest, AccessTimesAreOneField) {
    EXPECT_EQ(parse({"noatime"}).attr_set, uint64_t{MOUNT_ATTR_NOATIME});
    EXPECT_EQ(parse({"noatime"}).attr_clr, uint64_t{MOUNT_ATTR__ATIME});
    EXPECT_EQ(parse({"noatime", "strictatime"}).attr_set, uint64_t{MOUNT_ATTR_STRICTATIME});
    EXPECT_EQ(parse({"strictatime", "relatime"}).attr_set, 0U);
    EXPECT_EQ(parse({"relatime"}).attr_clr, uint64_t{MOUNT_ATTR__ATIME});
    EXPECT_EQ(parse({"atime"}).attr_clr, uint64_t{MOUNT_ATTR__ATIME});
    EXPECT_EQ(parse({"strictatime", "atime"}).attr_set, uint64_t{MOUNT_ATTR_STRICTATIME});
    EXPECT_EQ(parse({"noatime", "nostrictatime"}).attr_set, uint64_t{MOUNT_ATTR_NOATIME});
    EXPECT_EQ(parse({"norelatime"}).attr_clr, 0U);
    EXPECT_EQ(parse({"rnoatime"}).rec_attr_set, uint64_t{MOUNT_ATTR_NOATIME});
    EXPECT_EQ(parse({"rnoatime"}).rec_attr_clr, uint64_t{MOUNT_ATTR__ATIME});
    EXPECT_EQ(parse({"rnoatime"}).attr_set, 0U);
}

TEST(MountOptionsTest, RecursiveAttributesAreApart) {
    MountOptions options = parse({"rbind", "rro", "rnosuid", "rexec"}, "");
    EXPECT_TRUE(options.bind);
    EXPECT_TRUE(options.recursive_bind);
    EXPECT_EQ(options.attr_set, 0U);
    EXPECT_EQ(options.rec_attr_set, uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID});
    EXPECT_EQ(options.rec_attr_clr, uint64_t{MOUNT_ATTR_NOEXEC});
    EXPECT_TRUE(options.read_only());
}

TEST(MountOptionsTest, PropagationKeepsItsOrder) {
    EXPECT_THAT(parse({"rslave", "shared"}).propagation,
                ElementsAre(PropagationChange{MS_SLAVE, true}, PropagationChange{MS_SHARED, false}));
    EXPECT_THAT(parse({"unbindable", "rprivate"}).propagation,
                ElementsAre(PropagationChange{MS_UNBINDABLE, false}, PropagationChange{MS_PRIVATE, true}));
}

TEST(MountOptionsTest, SuperblockFlagsAreTheKernelsWords) {
    EXPECT_THAT(parse({"sync", "noiversion", "nolazytime", "silent", "defaults"}).superblock_flags,
                ElementsAre(SuperblockFlag{"sync", true}, SuperblockFlag{"noiversion", false},
                            SuperblockFlag{"nolazytime", true}));
}

TEST(MountOptionsTest, WhatIsUnknownIsTheFileSystems) {
    EXPECT_THAT(parse({"mode=755", "newinstance", "size=64k,gid=5", "lowerdir=/a\\,b:/c"}).data,
                ElementsAre(Pair("mode", "755"), Pair("newinstance", std::nullopt), Pair("size", "64k"),
                            Pair("gid", "5"), Pair("lowerdir", "/a\\,b:/c")));
    EXPECT_THAT(parse({R"(context="system_u:object_r:t:s0:c1,c2")"}).data,
                ElementsAre(Pair("context", "system_u:object_r:t:s0:c1,c2")));
}

TEST(MountOptionsTest, KindsOfMount) {
    EXPECT_TRUE(parse({}, "bind").bind);
    EXPECT_FALSE(parse({}, "bind").recursive_bind);
    EXPECT_TRUE(parse({"remount", "bind", "ro"}, "").remount);
    EXPECT_TRUE(parse({"tmpcopyup"}).copy_up);
    EXPECT_FALSE(parse({"tmpcopyup", "notmpcopyup"}).copy_up);
    EXPECT_TRUE(parse({"bind", "idmap"}).idmap);
    EXPECT_FALSE(parse({"bind", "idmap"}).rec_idmap);
    EXPECT_TRUE(parse({"bind", "ridmap"}).rec_idmap);
    spec::Mount mapped{.destination = "/x",
                       .options = {"bind"},
                       .uidMappings = {{0, 1000, 1}},
                       .gidMappings = {{0, 1000, 1}}};
    EXPECT_TRUE(parse_mount_options(mapped, "m").idmap);
}

TEST(MountOptionsTest, ContradictionsNameTheField) {
    EXPECT_EQ(error_of({.type = "tmpfs", .options = {"idmap"}}),
              "mounts[1].options: only a bind mount can be idmapped");
    EXPECT_EQ(error_of({.type = "proc", .options = {"tmpcopyup"}}),
              "mounts[1].options: tmpcopyup needs the type tmpfs");
    EXPECT_THAT(error_of({.options = {"bind"}, .uidMappings = {{0, 0, 1}}}),
                HasSubstr("mounts[1].gidMappings: "));
    EXPECT_THAT(error_of({.options = {"bind", "idmap=uids=0-1-1"}}), HasSubstr("mounts[1].options[1]: "));
}

// Every option of the specification's table must be understood, else it would reach a file system, which
// rejects it.
TEST(MountOptionsTest, AllOfTheSpecificationIsKnown) {
    constexpr std::string_view kTable[] = {
        "async",         "atime",        "bind",
        "defaults",      "dev",          "diratime",
        "dirsync",       "exec",         "idmap",
        "iversion",      "lazytime",     "loud",
        "mand",          "noatime",      "nodev",
        "nodiratime",    "noexec",       "noiversion",
        "nolazytime",    "nomand",       "norelatime",
        "nostrictatime", "nosuid",       "nosymfollow",
        "private",       "ratime",       "rbind",
        "rdev",          "rdiratime",    "relatime",
        "remount",       "rexec",        "ridmap",
        "rnoatime",      "rnodev",       "rnodiratime",
        "rnoexec",       "rnorelatime",  "rnostrictatime",
        "rnosuid",       "rnosymfollow", "ro",
        "rprivate",      "rrelatime",    "rro",
        "rrw",           "rshared",      "rslave",
        "rstrictatime",  "rsuid",        "rsymfollow",
        "runbindable",   "rw",           "shared",
        "silent",        "slave",        "strictatime",
        "suid",          "symfollow",    "sync",
        "tmpcopyup",     "unbindable",
    };
    for (std::string_view name : kTable) {
        EXPECT_TRUE(std::ranges::binary_search(known_mount_options(), name)) << name;
        std::string type = name == "idmap" || name == "ridmap" ? "bind" : "tmpfs";
        EXPECT_TRUE(parse({std::string(name)}, type).data.empty()) << name;
    }
}

// The kernel itself takes what the parser makes, on a tmpfs that nobody sees.
TEST(MountOptionsTest, TheKernelTakesAttributesAndSuperblockFlags) {
    auto fs_open = [] { return static_cast<int>(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)); };
    UniqueFd probe(fs_open());
    if (!probe) GTEST_SKIP() << "fsopen: " << errno_text(errno);
    for (std::string_view name : known_mount_options()) {
        std::string type = name.ends_with("idmap") ? "bind" : "tmpfs";
        MountOptions options = parse({std::string(name)}, type);
        UniqueFd fs(fs_open());
        for (const SuperblockFlag& flag : options.superblock_flags) {
            std::string word(flag.name);
            long result = syscall(SYS_fsconfig, fs.get(), FSCONFIG_SET_FLAG, word.c_str(), nullptr, 0);
            if (flag.required) EXPECT_EQ(result, 0) << name << ": " << errno_text(errno);
        }
        ASSERT_EQ(syscall(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), 0);
        UniqueFd mount(static_cast<int>(syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, options.attr_set)));
        ASSERT_TRUE(mount) << name;
        for (auto [set, clear] : {std::pair{options.attr_set, options.attr_clr},
                                  std::pair{options.rec_attr_set, options.rec_attr_clr}}) {
            mount_attr attributes{};
            attributes.attr_set = set;
            attributes.attr_clr = clear;
            EXPECT_EQ(syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                              sizeof(attributes)),
                      0)
                << name << ": " << errno_text(errno);
        }
    }
}

}  // namespace
}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#include "exec_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "exec_flags.h"

namespace berth::oci {
namespace {

using testing::ElementsAre;
using testing::Pair;

spec::Process exec(const spec::Process& base, const std::vector<std::string>& words) {
    size_t used = 0;
    Flags flags = parse_flags(kExecFlags, words, used);
    return exec_process(base, flags, {words.begin() + static_cast<std::ptrdiff_t>(used), words.end()});
}

spec::Process base_process() {
    spec::Process base;
    base.terminal = true;
    base.args = {"init"};
    base.env = {"A=1"};
    base.cwd = "/work";
    base.user = {.uid = 5, .gid = 6, .additionalGids = {7}};
    base.capabilities = spec::Capabilities{.bounding = {"CAP_KILL"}};
    return base;
}

TEST(ParseUser, TakesIds) {
    EXPECT_EQ(parse_user("1000").uid, 1000u);
    EXPECT_EQ(parse_user("1000").gid, std::nullopt);
    EXPECT_EQ(parse_user("0:4294967294").gid, 4294967294u);
    for (const char* wrong : {"", ":", "1:", ":1", "root", "-1", "1:2:3", "4294967296"})
        EXPECT_THROW(parse_user(wrong), Error) << wrong;
}

TEST(ExecProcess, KeepsWhatNoFlagChanges) {
    spec::Process process = exec(base_process(), {"ls", "-l"});
    EXPECT_THAT(process.args, ElementsAre("ls", "-l"));
    EXPECT_FALSE(process.terminal);  // as runc: only -t asks for one
    EXPECT_EQ(process.cwd, "/work");
    EXPECT_EQ(process.user.uid, 5u);
    EXPECT_THAT(process.env, ElementsAre("A=1"));
}

TEST(ExecProcess, AppliesFlags) {
    spec::Process process = exec(base_process(), {"-t", "--cwd", "/", "-e", "B=2", "-u", "1:2", "-g", "8",
                                                  "-c", "CAP_CHOWN", "--no-new-privs", "--apparmor=p", "sh"});
    EXPECT_TRUE(process.terminal);
    EXPECT_EQ(process.cwd, "/");
    EXPECT_THAT(process.env, ElementsAre("A=1", "B=2"));
    EXPECT_EQ(process.user.uid, 1u);
    EXPECT_EQ(process.user.gid, 2u);
    EXPECT_THAT(process.user.additionalGids, ElementsAre(7, 8));
    EXPECT_THAT(process.capabilities->bounding, ElementsAre("CAP_KILL", "CAP_CHOWN"));
    EXPECT_THAT(process.capabilities->permitted, ElementsAre("CAP_CHOWN"));
    EXPECT_THAT(process.capabilities->ambient, ElementsAre());
    EXPECT_TRUE(process.noNewPrivileges);
    EXPECT_EQ(process.apparmorProfile, "p");
}

TEST(ExecProcess, KeepsTheGroupIfOnlyAUserIsGiven) {
    EXPECT_EQ(exec(base_process(), {"-u", "9", "sh"}).user.gid, 6u);
}

TEST(CheckProcess, NamesWhatIsMissing) {
    spec::Process process = base_process();
    EXPECT_NO_THROW(check_process(process));
    process.cwd = "work";
    EXPECT_THROW(check_process(process), Error);
    process = base_process();
    process.args.clear();
    EXPECT_THROW(check_process(process), Error);
}

TEST(ParseCgroups, TakesOnePathOrControllers) {
    EXPECT_THAT(parse_cgroups({}), ElementsAre());
    EXPECT_THAT(parse_cgroups({"sub"}), ElementsAre(Pair("", "sub")));
    EXPECT_THAT(parse_cgroups({"cpu,memory:a", "pids:b"}),
                ElementsAre(Pair("cpu", "a"), Pair("memory", "a"), Pair("pids", "b")));
    EXPECT_THROW(parse_cgroups({"a", "b"}), Error);
    EXPECT_THROW(parse_cgroups({"cpu:a", "b"}), Error);
    EXPECT_THROW(parse_cgroups({"cpu:a", "cpu:b"}), Error);
    EXPECT_THROW(parse_cgroups({":a"}), Error);
    EXPECT_THROW(parse_cgroups({"cpu:a:b"}), Error);
}

}  // namespace
}  // namespace berth::oci

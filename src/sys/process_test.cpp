// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"

namespace berth::sys {
namespace {

using std::chrono::milliseconds;

SpawnOptions shell(const std::string& script) {
    SpawnOptions options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", script};
    return options;
}

TEST(Process, RunGivesOutputAndStatus) {
    Finished finished = run(shell("cat; echo err >&2; exit 3"), "input\n", std::nullopt);
    EXPECT_EQ(finished.output, "input\nerr\n");
    EXPECT_EQ(finished.status.code, 3);
    EXPECT_EQ(finished.status.signal, 0);
}

TEST(Process, RunTakesWhatIsNotRead) {
    EXPECT_EQ(run(shell("exit 0"), std::string(1 << 20, 'x'), std::nullopt).status.code, 0);
}

TEST(Process, RunKillsTheWholeGroupOnTimeout) {
    try {
        run(shell("sleep 1000 & echo $!; wait"), "", milliseconds(200));
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "/bin/sh timed out after 200 ms");
    }
}

TEST(Process, ForkAgainGivesAChildOfOurs) {
    SpawnOptions options = shell("kill -9 $$");
    options.fork_again = true;
    EXPECT_EQ(spawn(options).wait().signal, SIGKILL);
}

TEST(Process, ForkAgainSaysWhatCannotBeExecuted) {
    SpawnOptions options;
    options.path = "/nonexistent/program";
    options.fork_again = true;
    EXPECT_THROW((void)spawn(options), Error);
}

TEST(Process, SpawnSaysWhatCannotBeExecuted) {
    SpawnOptions options;
    options.path = "/nonexistent/program";
    try {
        (void)spawn(options);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "exec /nonexistent/program: no such file or directory");
    }
}

TEST(Process, DestructorKillsAndReaps) {
    pid_t pid = 0;
    {
        Child child = spawn(shell("exec sleep 1000"));
        pid = child.pid();
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_FALSE(process_stat(pid).has_value());
}

TEST(Process, WaitForTimesOutAndGoesOn) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    SpawnOptions options = shell("read x");
    options.stdin_fd = ends[0];
    Child child = spawn(options);
    EXPECT_FALSE(child.wait_for(milliseconds(1)).has_value());
    child.signal(SIGKILL);
    EXPECT_EQ(child.wait().signal, SIGKILL);
}

TEST(Process, StatNamesAProcessForGood) {
    std::optional<ProcessStat> self = process_stat(::getpid());
    ASSERT_TRUE(self.has_value());
    EXPECT_EQ(self->parent, ::getppid());
    EXPECT_GT(self->start_time, 0u);
}

}  // namespace
}  // namespace berth::sys

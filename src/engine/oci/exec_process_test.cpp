// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/exec_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/oci/oci_fixture.h"

namespace berth::engine {

namespace {

using testing::Contains;
using testing::ElementsAre;

struct ExecCase : CreateCase {
    CreatePlan plan = apply(
        R"({"Cmd":["x"],"Env":["A=1","B=1"],"WorkingDir":"/work","User":"7:8",
            "HostConfig":{"GroupAdd":["9"],"CapAdd":["NET_ADMIN"],"SecurityOpt":["no-new-privileges"],
                          "Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"OomScoreAdj":5}})");
    spec::api::ExecCreateRequest request;

    ExecCase() { request.Cmd = {"ls", "-l"}; }
    spec::Process build(std::vector<std::string> links = {}) {
        return build_exec_process({.id = kTestId,
                                   .config = plan.config,
                                   .host_config = plan.host_config,
                                   .request = request,
                                   .daemon = daemon,
                                   .host = host,
                                   .link_variables = std::move(links)});
    }
};

TEST(ExecProcess, IsLikeTheContainersOwn) {
    ExecCase exec;
    spec::Process process = exec.build();
    EXPECT_THAT(process.args, ElementsAre("ls", "-l"));
    EXPECT_EQ(process.cwd, "/work");
    EXPECT_EQ(process.user.uid, 7U);
    EXPECT_THAT(process.user.additionalGids, ElementsAre(8, 9));
    EXPECT_THAT(process.env, testing::IsSupersetOf({"A=1", "B=1", "HOSTNAME=aaaaaaaaaaaa"}));
    EXPECT_EQ(process.capabilities->bounding.size(), 15U);
    EXPECT_TRUE(process.capabilities->effective.empty());
    EXPECT_TRUE(process.noNewPrivileges);
    EXPECT_EQ(process.oomScoreAdj, 5);
    ASSERT_EQ(process.rlimits.size(), 1U);
    EXPECT_FALSE(process.terminal);
}

TEST(ExecProcess, KnowsTheContainersLinks) {
    ExecCase exec;
    exec.request.Env = {"DB_NAME=mine"};
    spec::Process process = exec.build({"DB_PORT=tcp://172.17.0.2:80", "DB_NAME=/web/db", "B=link"});
    EXPECT_THAT(process.env, testing::IsSupersetOf({"DB_PORT=tcp://172.17.0.2:80", "DB_NAME=mine", "B=1"}));
    EXPECT_THAT(process.env, testing::Not(Contains("B=link")));
}

TEST(ExecProcess, FollowsTheRequest) {
    ExecCase exec;
    exec.request.User = "0";
    exec.request.WorkingDir = "/else/./where";
    exec.request.Env = {"B=2", "C=3"};
    exec.request.Tty = true;
    exec.request.ConsoleSize = {24, 80};
    exec.request.Privileged = true;
    spec::Process process = exec.build();
    EXPECT_EQ(process.user.uid, 0U);
    EXPECT_EQ(process.cwd, "/else/where");
    EXPECT_THAT(process.env, testing::IsSupersetOf({"A=1", "B=2", "C=3", "TERM=xterm"}));
    EXPECT_TRUE(process.terminal);
    EXPECT_EQ(process.consoleSize->width, 80U);
    EXPECT_EQ(process.capabilities->effective.size(), 41U);
}

TEST(ExecProcess, NeedsACommand) {
    ExecCase exec;
    exec.request.Cmd.reset();
    EXPECT_EQ(error_of([&] { exec.build(); }), "No exec command specified");
}

}  // namespace

}  // namespace berth::engine

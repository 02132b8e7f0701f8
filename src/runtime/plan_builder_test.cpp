// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "runtime/container.h"
#include "runtime/launcher.h"
#include "runtime/process_plan.h"

namespace berth::runtime {
namespace {

using launch::Report;
using launch::Step;

Report failed(int32_t value, Step step, int error, bool in_stage = false) {
    Report report;
    report.kind = Report::Kind::failed;
    report.in_stage = in_stage;
    report.step = step;
    report.value = value;
    report.error = error;
    return report;
}

std::string message(const PlanBuilder& builder, const Report& report) {
    try {
        builder.fail(report);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), report.error);
        return error.what();
    }
}

std::pair<std::string, int> program_failure(const char* program, Step step, int code) {
    PlanBuilder builder;
    builder.set_program({program}, {});
    try {
        builder.fail(failed(launch::kExecIndex, step, code));
    } catch (const Error& error) {
        return {error.what(), exec_exit_code(error).value_or(-1)};
    }
}

TEST(PlanBuilder, FailuresNameTheFieldAndTheStep) {
    PlanBuilder builder;
    builder.add(launch::BecomeRoot{}, "linux.uidMappings");
    builder.add(launch::MountNew{}, "mounts[3] (/proc)");
    builder.add_stage(launch::OpenProc{}, "/proc");
    EXPECT_EQ(message(builder, failed(1, Step::attach, EACCES)),
              "mounts[3] (/proc): attaching the mount: permission denied");
    EXPECT_EQ(message(builder, failed(0, Step::none, EPERM)), "linux.uidMappings: operation not permitted");
    EXPECT_EQ(message(builder, failed(0, Step::not_procfs, EINVAL, true)),
              "/proc: refused, since it is not procfs: invalid argument");
    Report report = failed(1, Step::fsconfig, EINVAL);
    std::string_view("size").copy(report.detail, sizeof report.detail);
    EXPECT_EQ(message(builder, report), "mounts[3] (/proc): option \"size\": invalid argument");
}

TEST(PlanBuilder, ProgramsFailAsScriptsExpect) {
    using testing::Pair;
    EXPECT_THAT(program_failure("x", Step::look_up_program, ENOENT),
                Pair("exec: \"x\": executable file not found in $PATH", 127));
    EXPECT_THAT(program_failure("/x", Step::look_up_program, ENOENT),
                Pair("exec: \"/x\": stat /x: no such file or directory", 127));
    EXPECT_THAT(program_failure("/x", Step::look_up_program, EACCES),
                Pair("exec: \"/x\": permission denied", 126));
    EXPECT_THAT(program_failure("/x", Step::look_up_program, EISDIR),
                Pair("exec: \"/x\": is a directory", 126));
    EXPECT_THAT(program_failure("/x", Step::execute, ENOEXEC), Pair("exec: \"/x\": exec format error", 126));
    EXPECT_THAT(program_failure("/x", Step::execute, ENOENT), Pair(testing::HasSubstr("interpreter"), 127));
}

TEST(PlanBuilder, HomeIsAddedOnlyWhereItIsMissing) {
    PlanBuilder without, with;
    without.set_program({"x"}, {"A=1"});
    with.set_program({"x"}, {"HOME=/h"});
    EXPECT_TRUE(without.plan().add_home);
    EXPECT_EQ(without.plan().home_slot, 1u);
    EXPECT_FALSE(with.plan().add_home);
}

/// The simplest plan of all: a process that executes a program.
PlanBuilder& program(PlanBuilder& builder, const std::string& path) {
    builder.add(launch::WaitForStart{-1}, "start");
    builder.set_program({path}, {"PATH=/bin:/usr/bin"});
    return builder;
}

TEST(Launcher, EndOfFileIsTheNewsOfTheExecution) {
    PlanBuilder builder;
    Launcher launcher(program(builder, "true"));
    launcher.expect(launch::Phase::ready);
    launcher.go();
    EXPECT_FALSE(launcher.next().has_value());
    EXPECT_EQ(launcher.process().wait().code, 0);
}

TEST(Launcher, ThrowsWhatExecveSaid) {
    PlanBuilder builder;
    Launcher launcher(program(builder, "/nonexistent"));
    launcher.expect(launch::Phase::ready);
    launcher.go();
    EXPECT_THROW((void)launcher.next(), ExecError);
}

TEST(Launcher, AStagedProcessIsOurChildToo) {
    PlanBuilder builder;
    builder.add_stage(launch::HideFromPtrace{}, "stage");
    Launcher launcher(program(builder, "/bin/false"));
    launcher.expect(launch::Phase::ready);
    launcher.go();
    EXPECT_FALSE(launcher.next().has_value());
    EXPECT_EQ(launcher.process().wait().code, 1);
}

TEST(Launcher, AFailureInTheStageIsTold) {
    PlanBuilder builder;
    builder.add_stage(launch::JoinNamespace{-1, 0}, "joining nothing");
    EXPECT_THAT([&] { Launcher launcher(program(builder, "true")); },
                testing::ThrowsMessage<Error>("joining nothing: bad file descriptor"));
}

TEST(Launcher, AnOperationThatFailsEndsTheChild) {
    PlanBuilder builder;
    builder.add(launch::SetRlimit{12345, 0, 0, false}, "process.rlimits[0]");
    Launcher launcher(program(builder, "true"));
    EXPECT_THAT([&] { launcher.expect(launch::Phase::ready); },
                testing::ThrowsMessage<Error>("process.rlimits[0]: invalid argument"));
}

TEST(CpuList, BecomesAMask) {
    EXPECT_EQ(parse_cpu_list("0-2,5", "f"), std::vector<unsigned long>{0b100111});
    EXPECT_EQ(parse_cpu_list(" 1 , 3 ", "f"), std::vector<unsigned long>{0b1010});
    EXPECT_EQ(parse_cpu_list("64", "f"), (std::vector<unsigned long>{0, 1}));
    EXPECT_TRUE(parse_cpu_list("", "f").empty());
    for (const char* bad : {"x", "3-1", "1-", "-1", "99999999"})
        EXPECT_THAT([&] { parse_cpu_list(bad, "process.execCPUAffinity.final"); },
                    testing::ThrowsMessage<Error>(testing::StartsWith("process.execCPUAffinity.final: ")))
            << bad;
}

}  // namespace
}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/validate.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

using spec::NamespaceType;

const ValidateContext kContext{.bundle = "/", .root_is_given = true};

spec::Config valid_config() {
    return {
        .ociVersion = "1.2.1",
        .mounts = {{.destination = "/proc", .type = "proc", .source = "proc"}},
        .process = spec::Process{.args = {"true"}, .env = {"PATH=/bin"}, .cwd = "/"},
        .hostname = "box",
        .linux_ = spec::Linux{.namespaces = {{.type = NamespaceType::mount},
                                             {.type = NamespaceType::uts},
                                             {.type = NamespaceType::ipc},
                                             {.type = NamespaceType::network}},
                              .maskedPaths = {"/proc/kcore"}},
    };
}

std::string error_of(const spec::Config& config, const ValidateContext& context = kContext) {
    try {
        validate(config, context);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "";
}

/// A change to a valid config, and how the message must start: with the field.
struct Case {
    const char* message;
    std::function<void(spec::Config&)> change;
};

void expect_errors(std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        spec::Config config = valid_config();
        one.change(config);
        std::string error = error_of(config);
        EXPECT_EQ(error.substr(0, std::string_view(one.message).size()), one.message) << error;
    }
}

TEST(ValidateTest, AValidConfigPasses) {
    EXPECT_EQ(error_of(valid_config()), "");
}

TEST(ValidateTest, Version) {
    for (const char* good : {"1.0.0", "1.0.2-dev", "1.2.1+dev", "1.3.0", "1.99.0-rc.1"}) {
        spec::Config config = valid_config();
        config.ociVersion = good;
        EXPECT_EQ(error_of(config), "") << good;
    }
    expect_errors({
        {"ociVersion: is required", [](auto& c) { c.ociVersion = ""; }},
        {"ociVersion: \"2.0.0\": this runtime supports 1.0.0 to 1.2.1",
         [](auto& c) { c.ociVersion = "2.0.0"; }},
        {"ociVersion: ", [](auto& c) { c.ociVersion = "1.0"; }},
        {"ociVersion: ", [](auto& c) { c.ociVersion = "1.01.0"; }},
        {"ociVersion: ", [](auto& c) { c.ociVersion = "1.x.0"; }},
    });
}

TEST(ValidateTest, Root) {
    spec::Config config = valid_config();
    ValidateContext context{.bundle = testing::TempDir()};
    EXPECT_EQ(error_of(config, context), "root: is required");
    config.root = spec::Root{};
    EXPECT_EQ(error_of(config, context), "root.path: is required");
    config.root->path = "/proc/no-such";
    EXPECT_EQ(error_of(config, context), "root.path: /proc/no-such: no such file or directory");
    config.root->path = "/proc/self/stat";
    EXPECT_EQ(error_of(config, context), "root.path: /proc/self/stat: not a directory");
    config.root->path = ".";
    EXPECT_EQ(error_of(config, context), "");
}

TEST(ValidateTest, ProcessBasics) {
    expect_errors({
        {"process: is required", [](auto& c) { c.process.reset(); }},
        {"process.args: must not be empty", [](auto& c) { c.process->args.clear(); }},
        {"process.args[1]: must not contain a NUL byte",
         [](auto& c) { c.process->args.push_back(std::string("a\0b", 3)); }},
        {"process.cwd: is required", [](auto& c) { c.process->cwd = ""; }},
        {"process.cwd: must be an absolute path", [](auto& c) { c.process->cwd = "tmp"; }},
        {"process.env[1]: \"PATH\": must be NAME=value", [](auto& c) { c.process->env.push_back("PATH"); }},
        {"process.env[1]: ", [](auto& c) { c.process->env.push_back("=x"); }},
        {"process.env[0]: must not contain a NUL byte",
         [](auto& c) { c.process->env = {std::string("A=\0", 3)}; }},
        {"process.user.uid: ", [](auto& c) { c.process->user.uid = 0xffffffff; }},
        {"process.user.additionalGids[1]: ",
         [](auto& c) { c.process->user.additionalGids = {1, 0xffffffff}; }},
        {"process.user.umask: ", [](auto& c) { c.process->user.umask = 01000; }},
        {"process.oomScoreAdj: ", [](auto& c) { c.process->oomScoreAdj = 1001; }},
        {"process.rlimits[0].type: unknown limit \"RLIMIT_X\"",
         [](auto& c) { c.process->rlimits = {{"RLIMIT_X", 1, 1}}; }},
        {"process.rlimits[0].soft: 2 is above the hard limit 1",
         [](auto& c) { c.process->rlimits = {{"RLIMIT_CPU", 1, 2}}; }},
        {"process.rlimits[1].type: RLIMIT_CPU is given twice",
         [](auto& c) { c.process->rlimits = {{"RLIMIT_CPU", 1, 1}, {"RLIMIT_CPU", 1, 1}}; }},
        {"process.execCPUAffinity.initial: ",
         [](auto& c) { c.process->execCPUAffinity = {.initial = "0-x"}; }},
        {"process.execCPUAffinity.final: ", [](auto& c) { c.process->execCPUAffinity = {.final_ = "3-1"}; }},
        {"process.consoleSize.height: ", [](auto& c) { c.process->consoleSize = spec::Box{70000, 1}; }},
    });
    spec::Config config = valid_config();
    config.process->execCPUAffinity = {.initial = "0-3, 7", .final_ = "1"};
    EXPECT_EQ(error_of(config), "");
}

TEST(ValidateTest, TheFieldOfAnExecIsItsOwn) {
    try {
        validate_process({.args = {"x"}, .cwd = "x"}, "exec");
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "exec.cwd: must be an absolute path");
    }
}

TEST(ValidateTest, Scheduling) {
    auto scheduler = [](spec::Scheduler value) {
        return [=](spec::Config& c) { c.process->scheduler = value; };
    };
    auto io = [](spec::IoPriority value) { return [=](spec::Config& c) { c.process->ioPriority = value; }; };
    expect_errors({
        {"process.scheduler.policy: is required", scheduler({})},
        {"process.scheduler.policy: unknown policy \"X\"", scheduler({.policy = "X"})},
        {"process.scheduler.nice: ", scheduler({.policy = "SCHED_OTHER", .nice = 20})},
        {"process.scheduler.priority: must be from 1 to 99", scheduler({.policy = "SCHED_FIFO"})},
        {"process.scheduler.priority: must be 0", scheduler({.policy = "SCHED_BATCH", .priority = 1})},
        {"process.scheduler.flags[0]: ", scheduler({.policy = "SCHED_OTHER", .flags = {"X"}})},
        {"process.scheduler: runtime, deadline and period",
         scheduler({.policy = "SCHED_OTHER", .runtime = 1})},
        {"process.scheduler.runtime: ",
         scheduler({.policy = "SCHED_DEADLINE", .runtime = 3000, .deadline = 2000})},
        {"process.scheduler.deadline: ",
         scheduler({.policy = "SCHED_DEADLINE", .runtime = 2000, .deadline = 4000, .period = 3000})},
        {"process.ioPriority.class: is required", io({})},
        {"process.ioPriority.class: unknown class \"X\"", io({.class_ = "X"})},
        {"process.ioPriority.priority: ", io({.class_ = "IOPRIO_CLASS_BE", .priority = 8})},
    });
    spec::Config config = valid_config();
    config.process->scheduler =
        spec::Scheduler{.policy = "SCHED_DEADLINE", .runtime = 2000, .deadline = 4000, .period = 4000};
    EXPECT_EQ(error_of(config), "");
}

TEST(ValidateTest, HooksAndMounts) {
    auto hook = [](spec::Hook value) {
        return [=](spec::Config& c) { c.hooks = spec::Hooks{.poststart = {value}}; };
    };
    auto mount = [](spec::Mount value) { return [=](spec::Config& c) { c.mounts.push_back(value); }; };
    expect_errors({
        {"hooks.poststart[0].path: must be an absolute path", hook({.path = "x"})},
        {"hooks.poststart[0].timeout: must be greater than zero", hook({.path = "/x", .timeout = 0})},
        {"hooks.poststart[0].env[0]: ", hook({.path = "/x", .env = {"A"}})},
        {"mounts[1].destination: is required", mount({.type = "proc"})},
        {"mounts[1].destination: must not contain a NUL", mount({.destination = std::string("/\0", 2)})},
        {"mounts[1].source: a bind mount needs it", mount({.destination = "/x", .options = {"bind"}})},
        {"mounts[1].type: ", mount({.destination = "/x", .source = "y"})},
        {"mounts[1].options: ", mount({.destination = "/x", .type = "proc", .options = {"tmpcopyup"}})},
        {"mounts[1].options: idmap without mappings needs a user namespace",
         mount({.destination = "/x", .source = "/", .options = {"bind", "idmap"}})},
        {"mounts[1].uidMappings[0].size: ",
         mount({.destination = "/x", .source = "/", .options = {"bind"}, .uidMappings = {{0, 0, 0}}})},
    });
}

TEST(ValidateTest, RelativeDestinationsAreWarnedOf) {
    UniqueFd file = sys::memory_file("log", {});
    log::Sink before = log::sink();
    log::set_sink({.fd = file.get()});
    spec::Config config = valid_config();
    config.mounts[0].destination = "proc";
    EXPECT_EQ(error_of(config), "");
    log::set_sink(before);
    EXPECT_NE(sys::read_file(fmt::format("/proc/self/fd/{}", file.get())).find("mounts[0].destination"),
              std::string::npos);
}

TEST(ValidateTest, Ids) {
    for (const char* good : {"a", "A_b+c-d.1", "..."}) EXPECT_NO_THROW(validate_id(good)) << good;
    EXPECT_NO_THROW(validate_id(std::string(1024, 'a')));
    for (const char* bad : {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n"}) {
        try {
            validate_id(bad);
            ADD_FAILURE() << bad;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
            EXPECT_TRUE(std::string_view(error.what()).starts_with("invalid container id")) << error.what();
        }
    }
    EXPECT_THROW(validate_id(std::string(1025, 'a')), Error);
}

TEST(ValidateTest, Resources) {
    auto with = [](spec::Resources value) { return [=](spec::Config& c) { c.linux_->resources = value; }; };
    expect_errors({
        {"linux.resources.memory.limit: ", with({.memory = spec::MemoryResources{.limit = -2}})},
        {"linux.resources.memory.swap: ", with({.memory = spec::MemoryResources{.limit = 10, .swap = 5}})},
        {"linux.resources.memory.swappiness: ", with({.memory = spec::MemoryResources{.swappiness = 101}})},
        {"linux.resources.cpu.cpus: ", with({.cpu = spec::CpuResources{.cpus = "a"}})},
        {"linux.resources.cpu.idle: ", with({.cpu = spec::CpuResources{.idle = 2}})},
        {"linux.resources.cpu.burst: ", with({.cpu = spec::CpuResources{.quota = 10, .burst = 11}})},
        {"linux.resources.blockIO.weight: ", with({.blockIO = spec::BlockIoResources{.weight = 9}})},
        {"linux.resources.blockIO.throttleReadBpsDevice[0].major: ",
         with({.blockIO = spec::BlockIoResources{.throttleReadBpsDevice = {{-1, 0, 1}}}})},
        {"linux.resources.devices[0].type: ", with({.devices = {{.type = "x"}}})},
        {"linux.resources.devices[0].access: ", with({.devices = {{.access = "rx"}}})},
        {"linux.resources.devices[0].major: ", with({.devices = {{.major = -2}}})},
        {"linux.resources.hugepageLimits[0].pageSize: ", with({.hugepageLimits = {{"2M", 1}}})},
        {"linux.resources.unified: ", with({.unified = {{"../x.max", "1"}}})},
    });
    spec::Config config = valid_config();
    config.linux_->resources = spec::Resources{
        .devices = {{.allow = false, .access = "rwm"}, {true, "c", 1, -1, "r"}},
        .memory = spec::MemoryResources{.limit = 10, .swap = -1},
        .cpu = spec::CpuResources{.quota = -1, .burst = 11},
        .blockIO = spec::BlockIoResources{.weight = 0},
        .hugepageLimits = {{"2MB", 1}, {"1GB", 1}},
        .unified = {{"memory.high", "1"}},
    };
    EXPECT_EQ(error_of(config), "");
}

}  // namespace
}  // namespace berth::runtime

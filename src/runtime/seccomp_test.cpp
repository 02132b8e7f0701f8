// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/error.h"

namespace berth::runtime {
namespace {

using testing::HasSubstr;

spec::SeccompSyscall rule(std::vector<std::string> names, std::string action,
                          std::vector<spec::SeccompArg> args = {}, std::optional<uint32_t> errno_value = {}) {
    return {.names = std::move(names),
            .action = std::move(action),
            .errnoRet = errno_value,
            .args = std::move(args)};
}

/// Allows all but what the rules say.
spec::Seccomp open_profile(std::vector<spec::SeccompSyscall> rules) {
    return {.defaultAction = "SCMP_ACT_ALLOW", .syscalls = std::move(rules)};
}

/// Denies all but what a process needs to go on and end, and what the rules say.
spec::Seccomp closed_profile(std::vector<spec::SeccompSyscall> rules = {}) {
    spec::Seccomp profile{.defaultAction = "SCMP_ACT_ERRNO", .syscalls = std::move(rules)};
    profile.syscalls.push_back(rule({"exit", "exit_group", "getpid", "write", "futex"}, "SCMP_ACT_ALLOW"));
    return profile;
}

/// The wait status of a child that loads the filter and then exits with `body()`.
template <typename Body>
int run_filtered(const CompiledFilter& filter, Body&& body) {
    pid_t pid = fork();
    if (pid == 0) {
        sock_fprog program{static_cast<unsigned short>(filter.instructions.size()),
                           const_cast<sock_filter*>(filter.instructions.data())};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(250);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags & ~SECCOMP_FILTER_FLAG_NEW_LISTENER,
                    &program) < 0)
            _exit(251);
        syscall(SYS_exit_group, body());
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

/// The errno that system call `number` ends with under `filter`, 0 if it succeeds.
int errno_under(const CompiledFilter& filter, long number, long a = 0, long b = 0, long c = 0) {
    int status = run_filtered(filter, [&] { return syscall(number, a, b, c) < 0 ? errno : 0; });
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    return WEXITSTATUS(status);
}

std::string error_of(const spec::Seccomp& profile) {
    try {
        compile_seccomp(profile);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
    return "no error";
}

TEST(SeccompTest, ErrnoActions) {
    CompiledFilter filter = compile_seccomp(
        open_profile({rule({"getppid"}, "SCMP_ACT_ERRNO"), rule({"getuid"}, "SCMP_ACT_ERRNO", {}, 95)}));
    EXPECT_EQ(errno_under(filter, SYS_getppid), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_getuid), 95);
    EXPECT_EQ(errno_under(filter, SYS_getgid), 0);
    EXPECT_FALSE(filter.notify);
    EXPECT_EQ(filter.flags, 0U);
}

TEST(SeccompTest, DefaultErrno) {
    spec::Seccomp profile = closed_profile();
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_getppid), EPERM);
    profile.defaultErrnoRet = EXDEV;
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_getppid), EXDEV);
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_getpid), 0);
}

TEST(SeccompTest, KillAndTrap) {
    struct Case {
        const char* action;
        int signal;
    };
    for (auto [action, signal] : {Case{"SCMP_ACT_KILL", SIGSYS}, Case{"SCMP_ACT_KILL_PROCESS", SIGSYS},
                                  Case{"SCMP_ACT_KILL_THREAD", SIGSYS}, Case{"SCMP_ACT_TRAP", SIGSYS}}) {
        CompiledFilter filter = compile_seccomp(open_profile({rule({"getppid"}, action)}));
        int status = run_filtered(filter, [] { return static_cast<int>(syscall(SYS_getppid)) * 0; });
        EXPECT_TRUE(WIFSIGNALED(status)) << action;
        EXPECT_EQ(WTERMSIG(status), signal) << action;
    }
}

TEST(SeccompTest, LogLetsThroughAndTraceWithoutTracerFails) {
    CompiledFilter filter = compile_seccomp(
        open_profile({rule({"getppid"}, "SCMP_ACT_LOG"), rule({"getuid"}, "SCMP_ACT_TRACE")}));
    EXPECT_EQ(errno_under(filter, SYS_getppid), 0);
    EXPECT_EQ(errno_under(filter, SYS_getuid), ENOSYS);
}

TEST(SeccompTest, Operators) {
    struct Case {
        const char* op;
        uint64_t value, value_two;
        long denied, allowed;
    };
    // dup(2) of a descriptor that is not open: EBADF unless the filter steps in.
    // EBADF.
    for (const Case& one : {
             Case{"SCMP_CMP_EQ", 900, 0, 900, 901},
             Case{"SCMP_CMP_NE", 900, 0, 901, 900},
             Case{"SCMP_CMP_LT", 900, 0, 899, 900},
             Case{"SCMP_CMP_LE", 900, 0, 900, 901},
             Case{"SCMP_CMP_GT", 900, 0, 901, 900},
             Case{"SCMP_CMP_GE", 900, 0, 900, 899},
             Case{"SCMP_CMP_MASKED_EQ", 0xff00, 0x300, 0x3ab, 0x4ab},
         }) {
        CompiledFilter filter = compile_seccomp(
            open_profile({rule({"dup"}, "SCMP_ACT_ERRNO", {{0, one.value, one.value_two, one.op}})}));
        EXPECT_EQ(errno_under(filter, SYS_dup, one.denied), EPERM) << one.op;
        EXPECT_EQ(errno_under(filter, SYS_dup, one.allowed), EBADF) << one.op;
    }
}

TEST(SeccompTest, ConditionsOnDifferentArgumentsMustAllHold) {
    CompiledFilter filter = compile_seccomp(open_profile(
        {rule({"dup2"}, "SCMP_ACT_ERRNO", {{0, 900, 0, "SCMP_CMP_EQ"}, {1, 901, 0, "SCMP_CMP_EQ"}})}));
    EXPECT_EQ(errno_under(filter, SYS_dup2, 900, 901), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_dup2, 900, 902), EBADF);
    EXPECT_EQ(errno_under(filter, SYS_dup2, 902, 901), EBADF);
}

TEST(SeccompTest, ConditionsOnOneArgumentAreAlternatives) {
    CompiledFilter filter = compile_seccomp(open_profile(
        {rule({"dup"}, "SCMP_ACT_ERRNO", {{0, 900, 0, "SCMP_CMP_EQ"}, {0, 901, 0, "SCMP_CMP_EQ"}})}));
    EXPECT_EQ(errno_under(filter, SYS_dup, 900), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_dup, 901), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_dup, 902), EBADF);
}

TEST(SeccompTest, UnknownCallsAndRedundantRulesAreSkipped) {
    spec::Seccomp profile =
        closed_profile({rule({"no_such_call"}, "SCMP_ACT_ALLOW"), rule({"getppid"}, "SCMP_ACT_ERRNO"),
                        rule({"getuid"}, "SCMP_ACT_ALLOW"), rule({"getuid"}, "SCMP_ACT_ALLOW")});
    CompiledFilter filter = compile_seccomp(profile);
    EXPECT_EQ(errno_under(filter, SYS_getppid), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_getuid), 0);
}

TEST(SeccompTest, CallsNewerThanTheProfileAreUnknownToTheCaller) {
    spec::Seccomp profile = closed_profile({rule({"openat2"}, "SCMP_ACT_ALLOW")});
    CompiledFilter filter = compile_seccomp(profile);
    EXPECT_EQ(errno_under(filter, SYS_openat2 + 1), ENOSYS);
    EXPECT_EQ(errno_under(filter, 4000), ENOSYS);
    EXPECT_EQ(errno_under(filter, SYS_openat2 - 1), EPERM);
    EXPECT_EQ(errno_under(filter, SYS_getpid), 0);
    // A rule for the default action names a call all the same.
    profile.syscalls.push_back(rule({"faccessat2"}, "SCMP_ACT_ERRNO"));
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_faccessat2), EPERM);
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_faccessat2 + 1), ENOSYS);
}

TEST(SeccompTest, CallsNewerThanTheProfileFollowADefaultThatAllows) {
    CompiledFilter filter = compile_seccomp(open_profile({rule({"getppid"}, "SCMP_ACT_ERRNO")}));
    EXPECT_EQ(errno_under(filter, SYS_getuid), 0);
}

#if defined(__x86_64__)
/// A system call of the 32-bit table, from a 64-bit process.
int call_i386(int number) {
    int result = number;
    asm volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

constexpr int kX32Bit = 0x40000000;
constexpr int kGetpid386 = 20;
constexpr int kGetppid386 = 64;

bool has_i386() {
    pid_t pid = fork();
    if (pid == 0) _exit(call_i386(kGetpid386) > 0 ? 0 : 1);
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(SeccompTest, OtherArchitecturesHaveTheirOwnLimits) {
    if (!has_i386()) GTEST_SKIP() << "the kernel runs no 32-bit calls";
    spec::Seccomp profile = closed_profile({rule({"openat2"}, "SCMP_ACT_ALLOW")});
    profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    CompiledFilter filter = compile_seccomp(profile);
    auto i386 = [&](int number) {
        int status = run_filtered(filter, [&] {
            int result = call_i386(number);
            return result < 0 ? -result : 0;
        });
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    };
    EXPECT_EQ(i386(kGetpid386), 0);
    EXPECT_EQ(i386(kGetppid386), EPERM);
    EXPECT_EQ(i386(438), ENOSYS);
    EXPECT_EQ(errno_under(filter, SYS_openat2 + 1), ENOSYS);
    EXPECT_EQ(errno_under(filter, SYS_getppid), EPERM);
    EXPECT_EQ(errno_under(filter, kX32Bit | SYS_getppid), EPERM);
    EXPECT_EQ(errno_under(filter, kX32Bit | 4000), ENOSYS);
}

TEST(SeccompTest, ArchitecturesThatAreNotNamedAreRefused) {
    CompiledFilter filter = compile_seccomp(closed_profile());
    int status = run_filtered(filter, [&] { return syscall(kX32Bit | SYS_getpid) > 0 ? 0 : errno; });
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
}
#endif

TEST(SeccompTest, ForeignArchitecturesAreLeftOut) {
    spec::Seccomp profile = closed_profile();
    profile.architectures = {"SCMP_ARCH_S390X", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_AARCH64"};
    EXPECT_EQ(errno_under(compile_seccomp(profile), SYS_getpid), 0);
}

TEST(SeccompTest, ManyRules) {
    // More than 32 names: libseccomp makes a tree of them.
    std::vector<std::string> names{"accept", "access",  "brk",    "chdir",   "chmod",  "chown",  "clone",
                                   "dup2",   "dup3",    "execve", "fchmod",  "fchdir", "fcntl",  "flock",
                                   "fstat",  "fsync",   "gettid", "getuid",  "ioctl",  "kill",   "lchown",
                                   "link",   "lseek",   "mmap",   "mount",   "mkdir",  "munmap", "open",
                                   "openat", "pipe",    "poll",   "pread64", "read",   "rename", "rmdir",
                                   "stat",   "symlink", "uname",  "unlink",  "utime",  "wait4"};
    CompiledFilter filter = compile_seccomp(closed_profile({rule(names, "SCMP_ACT_ALLOW")}));
    EXPECT_EQ(errno_under(filter, SYS_getuid), 0);
    EXPECT_EQ(errno_under(filter, SYS_lseek, 900), EBADF);
    EXPECT_EQ(errno_under(filter, SYS_getgid), EPERM);
}

TEST(SeccompTest, FlagsReachTheKernel) {
    spec::Seccomp profile = open_profile({rule({"getppid"}, "SCMP_ACT_ERRNO")});
    profile.flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                     "SECCOMP_FILTER_FLAG_TSYNC"};
    CompiledFilter filter = compile_seccomp(profile);
    EXPECT_EQ(filter.flags,
              SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC);
    EXPECT_EQ(errno_under(filter, SYS_getppid), EPERM);
}

TEST(SeccompTest, Notify) {
    spec::Seccomp profile = open_profile({rule({"getppid"}, "SCMP_ACT_NOTIFY")});
    profile.listenerPath = "/agent.sock";
    profile.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
    CompiledFilter filter = compile_seccomp(profile);
    EXPECT_TRUE(filter.notify);
    EXPECT_TRUE(filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER);
    pid_t pid = fork();
    if (pid == 0) {
        sock_fprog program{static_cast<unsigned short>(filter.instructions.size()),
                           filter.instructions.data()};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program) >= 0 ? 0 : errno);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
}

TEST(SeccompTest, NotifyByDefaultAsksTheAgentOfNewCallsToo) {
    spec::Seccomp profile{.defaultAction = "SCMP_ACT_NOTIFY", .listenerPath = "/agent.sock"};
    profile.syscalls = {rule({"exit_group", "getpid"}, "SCMP_ACT_ALLOW")};
    CompiledFilter filter = compile_seccomp(profile);
    EXPECT_TRUE(filter.notify);
    EXPECT_EQ(errno_under(filter, SYS_getpid), 0);
    for (const sock_filter& one : filter.instructions)
        EXPECT_FALSE(one.code == (BPF_RET | BPF_K) && one.k == (SECCOMP_RET_ERRNO | ENOSYS));
}

TEST(SeccompTest, ErrorsNameTheField) {
    EXPECT_EQ(error_of({}), "linux.seccomp.defaultAction: is required");
    EXPECT_EQ(error_of({.defaultAction = "SCMP_ACT_X"}),
              "linux.seccomp.defaultAction: unknown action \"SCMP_ACT_X\"");
    EXPECT_THAT(error_of({.defaultAction = "SCMP_ACT_ALLOW", .defaultErrnoRet = 1}),
                HasSubstr("linux.seccomp.defaultErrnoRet: "));
    EXPECT_THAT(error_of({.defaultAction = "SCMP_ACT_NOTIFY"}), HasSubstr("linux.seccomp.listenerPath: "));
    EXPECT_THAT(error_of({.defaultAction = "SCMP_ACT_ALLOW", .architectures = {"SCMP_ARCH_Z80"}}),
                HasSubstr("linux.seccomp.architectures[0]: unknown architecture \"SCMP_ARCH_Z80\""));
    EXPECT_THAT(error_of({.defaultAction = "SCMP_ACT_ALLOW", .flags = {"X"}}),
                HasSubstr("linux.seccomp.flags[0]: unknown flag \"X\""));
    auto error_of_rule = [](spec::SeccompSyscall one) {
        return error_of(open_profile({rule({"read"}, "SCMP_ACT_ERRNO"), std::move(one)}));
    };
    EXPECT_THAT(error_of_rule(rule({}, "SCMP_ACT_LOG")), HasSubstr("linux.seccomp.syscalls[1].names: "));
    EXPECT_THAT(error_of_rule(rule({"dup"}, "X")), HasSubstr("linux.seccomp.syscalls[1].action: "));
    EXPECT_THAT(error_of_rule(rule({"dup"}, "SCMP_ACT_LOG", {}, 3)),
                HasSubstr("linux.seccomp.syscalls[1].errnoRet: "));
    EXPECT_THAT(error_of_rule(rule({"dup"}, "SCMP_ACT_LOG", {{6, 0, 0, "SCMP_CMP_EQ"}})),
                HasSubstr("linux.seccomp.syscalls[1].args[0].index: "));
    EXPECT_THAT(error_of_rule(rule({"dup"}, "SCMP_ACT_LOG", {{0, 0, 0, "EQ"}})),
                HasSubstr("linux.seccomp.syscalls[1].args[0].op: "));
    EXPECT_THAT(error_of_rule(rule({"dup"}, "SCMP_ACT_NOTIFY")), HasSubstr("linux.seccomp.listenerPath: "));
}

}  // namespace
}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#include "shim/init.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace berth::shim {
namespace {

/// init_main in a forked child, its stdout and stderr in a pipe.
class Init {
  public:
    struct Setup {
        bool pid_namespace = false;
        int terminal = -1;  ///< becomes the controlling terminal and all of stdio
        bool ignore_children = false;
        std::vector<std::pair<const char*, const char*>> env;
    };

    Init(std::vector<std::string> arguments, Setup setup) {
        int fds[2];
        EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
        output_.reset(fds[0]);
        UniqueFd write(fds[1]);
        // clone, not unshare: the child itself is PID 1. No stack: it is a copy of this process.
        unsigned long flags = SIGCHLD | (setup.pid_namespace ? CLONE_NEWPID | CLONE_NEWNS : 0);
        pid_ = static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
        if (pid_ == 0) run(arguments, setup, write.get());
    }
    ~Init() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    pid_t pid() const { return pid_; }

    /// Blocks until the output holds `text`.
    bool wait_for(const std::string& text) {
        while (seen_.find(text) == std::string::npos)
            if (!read_more()) return false;
        return true;
    }
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    std::string output() {
        while (read_more()) {
        }
        return seen_;
    }

  private:
    [[noreturn]] static void run(const std::vector<std::string>& arguments, const Setup& setup, int output) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (setup.pid_namespace) {
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
            ::mount("proc", "/proc", "proc", 0, nullptr);
        }
        ::dup2(output, 1);
        ::dup2(output, 2);
        if (setup.terminal >= 0) {
            ::setsid();
            ::ioctl(setup.terminal, TIOCSCTTY, 0);
            ::dup2(setup.terminal, 0);
        }
        if (setup.ignore_children) ::signal(SIGCHLD, SIG_IGN);
        for (auto [name, value] : setup.env) ::setenv(name, value, 1);
        std::vector<char*> argv;
        std::string name = "berth-init";
        argv.push_back(name.data());
        std::vector<std::string> copies = arguments;
        for (std::string& argument : copies) argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::_exit(init_main(static_cast<int>(argv.size()) - 1, argv.data()));
    }

    bool read_more() {
        char block[4096];
        ssize_t got = ::read(output_.get(), block, sizeof block);
        if (got <= 0) return false;
        seen_.append(block, static_cast<size_t>(got));
        return true;
    }

    UniqueFd output_;
    pid_t pid_ = -1;
    std::string seen_;
};

int run(std::vector<std::string> arguments, Init::Setup setup = {}) {
    return Init(std::move(arguments), setup).wait();
}

#define NEEDS_ROOT() \
    if (::geteuid() != 0) GTEST_SKIP() << "needs root for a pid namespace"

TEST(Init, PassesOnTheExitCode) {
    EXPECT_EQ(run({"sh", "-c", "exit 0"}), 0);
    EXPECT_EQ(run({"--", "sh", "-c", "exit 42"}), 42);
    EXPECT_EQ(run({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
}

TEST(Init, OptionsAfterTheProgramAreThePrograms) {
    EXPECT_EQ(run({"-s", "sh", "-c", "exit $#", "x", "-g", "-e"}), 2);
}

TEST(Init, RemapsExitCodes) {
    EXPECT_EQ(run({"-e", "143", "-e", "3", "--", "sh", "-c", "exit 3"}), 0);
    EXPECT_EQ(run({"-e", "143", "-e", "3", "--", "sh", "-c", "kill $$"}), 0);
    EXPECT_EQ(run({"-e", "143", "--", "sh", "-c", "exit 3"}), 3);
    EXPECT_EQ(run({"-e", "256", "true"}), 1);
    EXPECT_EQ(run({"-e", "x", "true"}), 1);
}

TEST(Init, WrongCommandLines) {
    EXPECT_EQ(run({}), 1);
    EXPECT_EQ(run({"-Z", "true"}), 1);
    EXPECT_EQ(run({"-p", "SIGNOTHING", "true"}), 1);
    EXPECT_EQ(run({"-h"}), 0);
    EXPECT_EQ(run({"--version"}), 0);
}

TEST(Init, NotFoundAndNotExecutable) {
    Init absent({"no-such-program"}, {});
    EXPECT_EQ(absent.wait(), 127);
    EXPECT_NE(absent.output().find(R"(exec: "no-such-program": executable file not found in $PATH)"),
              std::string::npos);
    Init absent_path({"/no/such/program"}, {});
    EXPECT_EQ(absent_path.wait(), 127);
    EXPECT_NE(absent_path.output().find(R"(exec: "/no/such/program": no such file or directory)"),
              std::string::npos);
    Init plain({"/etc/passwd"}, {});
    EXPECT_EQ(plain.wait(), 126);
    EXPECT_NE(plain.output().find(R"(exec: "/etc/passwd": permission denied)"), std::string::npos);
}

TEST(Init, TellsTheExitCodeThoughChildrenWereIgnored) {
    EXPECT_EQ(run({"sh", "-c", "exit 7"}, {.ignore_children = true}), 7);
}

TEST(Init, ForwardsSignals) {
    for (int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGWINCH, SIGRTMIN + 3}) {
        std::string trap =
            "trap 'exit 9' " + std::to_string(number) + "; echo ready; while :; do sleep 0.01; done";
        Init init({"sh", "-c", trap}, {});
        ASSERT_TRUE(init.wait_for("ready"));
        ::kill(init.pid(), number);
        EXPECT_EQ(init.wait(), 9) << number;
    }
}

TEST(Init, ForwardsAsPid1) {
    NEEDS_ROOT();
    Init init({"sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"},
              {.pid_namespace = true});
    ASSERT_GT(init.pid(), 0);
    ASSERT_TRUE(init.wait_for("ready"));
    ::kill(init.pid(), SIGTERM);
    EXPECT_EQ(init.wait(), 9);
}

TEST(Init, DefaultActionsWorkAsPid1) {
    NEEDS_ROOT();
    Init init({"sh", "-c", "echo ready; exec sleep 1000"}, {.pid_namespace = true});
    ASSERT_TRUE(init.wait_for("ready"));
    ::kill(init.pid(), SIGTERM);
    EXPECT_EQ(init.wait(), 128 + SIGTERM);
}

TEST(Init, SignalsTheGroup) {
    // The shell ignores the signal that its child must get; the child's end is what the shell waits for.
    const char* script =
        "trap 'true' TERM; sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.01; done' & "
        "wait $!; code=$?; while [ $code -gt 128 ]; do wait $!; code=$?; done; exit $code";
    Init group({"-g", "sh", "-c", script}, {});
    ASSERT_TRUE(group.wait_for("ready"));
    ::kill(group.pid(), SIGTERM);
    EXPECT_EQ(group.wait(), 5);
}

TEST(Init, GroupByEnvironment) {
    const char* script =
        "trap 'true' TERM; sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.01; done' & "
        "wait $!; code=$?; while [ $code -gt 128 ]; do wait $!; code=$?; done; exit $code";
    Init group({"sh", "-c", script}, {.env = {{"TINI_KILL_PROCESS_GROUP", ""}}});
    ASSERT_TRUE(group.wait_for("ready"));
    ::kill(group.pid(), SIGTERM);
    EXPECT_EQ(group.wait(), 5);
}

TEST(Init, ReapsOrphansAsPid1) {
    NEEDS_ROOT();
    // 50 orphans end; the shell waits until no process but init, itself and its pipeline is left, zombies
    // included.
    const char* script =
        "for i in $(seq 50); do (sleep 0.05 &) ; done; "
        "while grep -q '^PPid:[[:space:]]*1$' $(ls -d /proc/[0-9]*/status | grep -v /$$/) 2>/dev/null; "
        "do sleep 0.02; done; echo clean";
    Init init({"sh", "-c", script}, {.pid_namespace = true});
    EXPECT_TRUE(init.wait_for("clean"));
    EXPECT_EQ(init.wait(), 0);
}

TEST(Init, ReapsAsSubreaperAndWarns) {
    Init init({"-s", "-w", "sh", "-c",
               "(sleep 0.05 &); while [ ! -e /proc/$PPID/task/$PPID/children ]; do :; done; "
               "until [ \"$(wc -w </proc/$PPID/task/$PPID/children)\" = 2 ]; do :; done; "
               "until [ \"$(wc -w </proc/$PPID/task/$PPID/children)\" = 1 ]; do :; done"},
              {});
    EXPECT_EQ(init.wait(), 0);
    EXPECT_NE(init.output().find("Reaped zombie process"), std::string::npos);
}

TEST(Init, SubreaperByEnvironmentSaysNothing) {
    Init without({"true"}, {});
    EXPECT_EQ(without.wait(), 0);
    EXPECT_NE(without.output().find("no subreaper"), std::string::npos);
    Init with({"true"}, {.env = {{"TINI_SUBREAPER", ""}}});
    EXPECT_EQ(with.wait(), 0);
    EXPECT_EQ(with.output(), "");
    Init quiet({"true"}, {.env = {{"TINI_VERBOSITY", "0"}}});
    EXPECT_EQ(quiet.wait(), 0);
    EXPECT_EQ(quiet.output(), "");
}

TEST(Init, ProgramFindsSignalsAsTheyWere) {
    Init init({"-s", "sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status"}, {});
    EXPECT_EQ(init.wait(), 0);
    std::string output = init.output();
    EXPECT_NE(output.find("SigBlk:\t0000000000000000"), std::string::npos) << output;
    EXPECT_NE(output.find("SigIgn:\t0000000000000000"), std::string::npos) << output;
}

TEST(Init, ParentDeathSignal) {
    // A middle process starts the init and dies; the signal ends the program, whose exit closes the pipe.
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    UniqueFd read(fds[0]), write(fds[1]);
    pid_t middle = ::fork();
    if (middle == 0) {
        if (::fork() == 0) {
            ::dup2(write.get(), 1);
            char name[] = "init", option[] = "-p", number[] = "TERM", program[] = "sh", flag[] = "-c";
            char script[] = "echo ready; exec sleep 1000";
            char* argv[] = {name, option, number, program, flag, script, nullptr};
            ::_exit(init_main(6, argv));
        }
        ::pause();
    }
    write.reset();
    char block[16];
    ASSERT_EQ(::read(read.get(), block, sizeof block), 6);
    ::kill(middle, SIGKILL);
    ::waitpid(middle, nullptr, 0);
    EXPECT_EQ(::read(read.get(), block, sizeof block), 0);
}

TEST(Init, GivesTheTerminalToTheProgram) {
    int main_fd = -1, terminal = -1;
    ASSERT_EQ(::openpty(&main_fd, &terminal, nullptr, nullptr, nullptr), 0);
    UniqueFd owner(main_fd), other(terminal);
    // Field 8 of stat: the foreground group of the terminal; field 5: its own group.
    Init init({"-s", "sh", "-c",
               "set -- $(cat /proc/$$/stat); [ $5 = $8 ] && [ $5 = $$ ] && echo foreground; read line; "
               "echo got $line"},
              {.terminal = terminal});
    ASSERT_TRUE(init.wait_for("foreground"));
    ASSERT_EQ(::write(owner.get(), "hello\n", 6), 6);
    EXPECT_TRUE(init.wait_for("got hello"));
    EXPECT_EQ(init.wait(), 0);
}

TEST(Init, InterruptFromTheTerminal) {
    int main_fd = -1, terminal = -1;
    ASSERT_EQ(::openpty(&main_fd, &terminal, nullptr, nullptr, nullptr), 0);
    UniqueFd owner(main_fd), other(terminal);
    Init init({"-s", "sh", "-c", "echo ready; exec sleep 1000"}, {.terminal = terminal});
    ASSERT_TRUE(init.wait_for("ready"));
    ASSERT_EQ(::write(owner.get(), "\x03", 1), 1);
    EXPECT_EQ(init.wait(), 128 + SIGINT);
}

TEST(Init, StopsAndContinuesAsAJobOfAShell) {
    // The shell is the session's leader, the init a job of it: Ctrl-Z gives the shell back its prompt, fg
    // goes on.
    int main_fd = -1, terminal = -1;
    ASSERT_EQ(::openpty(&main_fd, &terminal, nullptr, nullptr, nullptr), 0);
    UniqueFd owner(main_fd), other(terminal);
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    UniqueFd read(fds[0]), write(fds[1]);
    pid_t leader = ::fork();
    if (leader == 0) {
        ::setsid();
        ::ioctl(terminal, TIOCSCTTY, 0);
        ::dup2(terminal, 0);
        ::signal(SIGTTOU, SIG_IGN);
        pid_t job = ::fork();
        if (job == 0) {
            ::setpgid(0, 0);
            ::tcsetpgrp(0, ::getpid());
            ::signal(SIGTTOU, SIG_DFL);
            ::dup2(write.get(), 1);
            char name[] = "init", quiet[] = "-s", program[] = "sh", flag[] = "-c";
            char script[] = "trap 'echo continued' CONT; echo ready; read line; exit 6";
            char* argv[] = {name, quiet, program, flag, script, nullptr};
            ::_exit(init_main(5, argv));
        }
        int status = 0;
        if (::waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status)) ::_exit(1);
        if (::tcgetpgrp(0) != job) ::_exit(2);
        ::tcsetpgrp(0, ::getpgrp());
        if (::write(write.get(), "stopped\n", 8) != 8) ::_exit(3);
        ::tcsetpgrp(0, job);
        ::kill(-job, SIGCONT);
        if (::waitpid(job, &status, 0) != job || !WIFEXITED(status)) ::_exit(4);
        ::_exit(WEXITSTATUS(status));
    }
    write.reset();
    std::string seen;
    auto wait_for = [&](const char* text) {
        char block[256];
        while (seen.find(text) == std::string::npos) {
            ssize_t got = ::read(read.get(), block, sizeof block);
            if (got <= 0) return false;
            seen.append(block, static_cast<size_t>(got));
        }
        return true;
    };
    ASSERT_TRUE(wait_for("ready"));
    ASSERT_EQ(::write(owner.get(), "\x1a", 1), 1);
    EXPECT_TRUE(wait_for("stopped"));
    EXPECT_TRUE(wait_for("continued"));
    ASSERT_EQ(::write(owner.get(), "\n", 1), 1);
    int status = 0;
    ::waitpid(leader, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 6);
}

}  // namespace
}  // namespace berth::shim

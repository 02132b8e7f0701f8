// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/strings.h"
#include "launch/syscalls.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

constexpr size_t kMaxOutput = 64 << 10;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// waitid's P_PIDFD, which <sys/wait.h> of this libc knows as a macro of the kernel only.
int wait_pidfd(int pidfd, siginfo_t& info, int options) {
    return retry([&] { return ::waitid(static_cast<idtype_t>(3), static_cast<id_t>(pidfd), &info, options); });
}

ExitStatus status_of(const siginfo_t& info) {
    ExitStatus status;
    if (info.si_code == CLD_EXITED) {
        status.code = info.si_status;
    } else {
        status.signal = info.si_status;
        status.code = 128 + info.si_status;
        status.core_dumped = info.si_code == CLD_DUMPED;
    }
    return status;
}

[[noreturn]] void pass_status(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        ::signal(WTERMSIG(status), SIG_DFL);
        ::kill(::getpid(), WTERMSIG(status));
    }
    ::_exit(WEXITSTATUS(status));
}

/// The child's part. Everything it needs was made before the fork.
[[noreturn]] void exec_child(const SpawnOptions& options, char** argv, char** env, int null_fd, int error_fd) {
    auto fail = [&](int code) {
        [[maybe_unused]] ssize_t written = ::write(error_fd, &code, sizeof code);
        ::_exit(127);
    };
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setpgid(0, 0);
    if (options.before_exec)
        if (int code = options.before_exec(); code != 0) fail(code);
    if (options.fork_again) {
        pid_t pid = ::fork();
        if (pid < 0) fail(errno);
        if (pid > 0) {
            ::close(error_fd);
            pass_status(pid);
        }
    }
    // Above the three first, so that none is overwritten before it is used.
    int from[3] = {options.stdin_fd >= 0 ? options.stdin_fd : null_fd, options.stdout_fd, options.stderr_fd};
    for (int i = 0; i < 3; ++i)
        if (from[i] >= 0 && from[i] < 3 && from[i] != i) from[i] = ::fcntl(from[i], F_DUPFD_CLOEXEC, 3);
    for (int i = 0; i < 3; ++i) {
        if (from[i] == i) ::fcntl(i, F_SETFD, 0);
        if (from[i] >= 0 && from[i] != i && ::dup2(from[i], i) < 0) fail(errno);
    }
    if (options.cwd && ::chdir(options.cwd->c_str()) < 0) fail(errno);
    ::syscall(SYS_close_range, 3U, ~0U, 4U);  // CLOSE_RANGE_CLOEXEC
    ::execve(options.path.c_str(), argv, env);
    fail(errno);
    ::_exit(127);
}

}  // namespace

ExitStatus exit_status(int wait_status) {
    ExitStatus status;
    if (WIFSIGNALED(wait_status)) {
        status.signal = WTERMSIG(wait_status);
        status.code = 128 + status.signal;
        status.core_dumped = WCOREDUMP(wait_status);
    } else {
        status.code = WEXITSTATUS(wait_status);
    }
    return status;
}

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        kill_and_reap();
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
    }
    return *this;
}

void Child::signal(int number) {
    if (!send_signal(pidfd_.get(), number)) throw errno_error(ESRCH, fmt::format("signalling process {}", pid_));
}

std::optional<ExitStatus> Child::wait_for(std::chrono::milliseconds timeout) {
    auto deadline = std::chrono::steady_clock::now() + timeout;
    pollfd poll{pidfd_.get(), POLLIN, 0};
    while (true) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        int ready = ::poll(&poll, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (ready > 0) return wait();
        if (ready < 0 && errno != EINTR) throw errno_error(errno, "poll");
        if (ready == 0) return std::nullopt;
    }
}

ExitStatus Child::wait() {
    siginfo_t info{};
    check(wait_pidfd(pidfd_.get(), info, WEXITED), [&] { return fmt::format("waiting for process {}", pid_); });
    pid_ = -1;
    pidfd_.reset();
    return status_of(info);
}

void Child::kill_and_reap() noexcept {
    if (pid_ <= 0) return;
    send_signal(pidfd_.get(), SIGKILL);
    siginfo_t info{};
    wait_pidfd(pidfd_.get(), info, WEXITED);
    pid_ = -1;
    pidfd_.reset();
}

pid_t Child::release() noexcept {
    pidfd_.reset();
    return std::exchange(pid_, -1);
}

Child fork_child() {
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    long pid = launch::clone_process(args);
    if (pid < 0) throw errno_error(static_cast<int>(-pid), "clone3");
    return pid == 0 ? Child() : Child(static_cast<pid_t>(pid), UniqueFd(pidfd));
}

Child spawn(const SpawnOptions& options) {
    std::vector<char*> argv = pointers(options.argv.empty() ? std::vector<std::string>{options.path} : options.argv);
    std::vector<char*> env = pointers(options.env);
    UniqueFd null = open_file("/dev/null", O_RDWR);
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    UniqueFd read_end(ends[0]), write_end(ends[1]);

    Child child = fork_child();
    if (!child) exec_child(options, argv.data(), env.data(), null.get(), write_end.get());
    write_end.reset();
    int code = 0;
    if (retry([&] { return ::read(read_end.get(), &code, sizeof code); }) == sizeof code) {
        child.kill_and_reap();
        throw errno_error(code, "exec " + options.path);
    }
    return child;
}

Finished run(SpawnOptions options, std::string_view stdin_data, std::optional<std::chrono::milliseconds> timeout) {
    int in[2], out[2];
    check(::pipe2(in, O_CLOEXEC), "pipe2");
    UniqueFd in_read(in[0]), in_write(in[1]);
    check(::pipe2(out, O_CLOEXEC | O_NONBLOCK), "pipe2");
    UniqueFd out_read(out[0]), out_write(out[1]);
    ::fcntl(in_write.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(out_write.get(), F_SETFL, 0);
    options.stdin_fd = in_read.get();
    options.stdout_fd = options.stderr_fd = out_write.get();

    Finished finished;
    Child child = spawn(options);
    in_read.reset();
    out_write.reset();
    if (stdin_data.empty()) in_write.reset();

    auto deadline = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::hours(24 * 365));
    auto drain = [&] {
        char buffer[4096];
        ssize_t got = ::read(out_read.get(), buffer, sizeof buffer);
        if (got > 0) finished.output.append(buffer, std::min(static_cast<size_t>(got), kMaxOutput - finished.output.size()));
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) out_read.reset();
        return got > 0;
    };
    while (true) {
        pollfd polls[3] = {{child.pidfd(), POLLIN, 0}, {in_write.get(), POLLOUT, 0}, {out_read.get(), POLLIN, 0}};
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        int ready = ::poll(polls, 3, static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) {
            ::kill(-child.pid(), SIGKILL);
            child.kill_and_reap();
            throw make_error(ErrorKind::unavailable, "{} timed out after {} ms", options.path, timeout->count());
        }
        if (polls[2].revents != 0) drain();
        if (polls[1].revents != 0) {
            // EPIPE (SIGPIPE is ignored or handled by programs that run hooks): a program may leave its stdin unread.
            ssize_t done = ::write(in_write.get(), stdin_data.data(), stdin_data.size());
            if (done > 0) stdin_data.remove_prefix(static_cast<size_t>(done));
            if (stdin_data.empty() || (done < 0 && errno != EAGAIN && errno != EINTR)) in_write.reset();
        }
        if (polls[0].revents != 0) {
            while (out_read && drain()) {
            }
            finished.status = child.wait();
            return finished;
        }
    }
}

std::optional<UniqueFd> open_pidfd(pid_t pid) {
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0 && (errno == ESRCH || errno == EINVAL)) return std::nullopt;
    return UniqueFd(check(fd, [&] { return fmt::format("pidfd_open {}", pid); }));
}

bool send_signal(int pidfd, int number) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
}

std::optional<ProcessStat> process_stat(pid_t pid) {
    std::optional<std::string> text;
    try {
        text = try_read_file(fmt::format("/proc/{}/stat", pid));
    } catch (const Error& error) {
        if (error.code() == ESRCH) return std::nullopt;
        throw;
    }
    if (!text) return std::nullopt;
    // The name in parentheses may hold anything, so fields are counted from the last ")".
    size_t close = text->rfind(')');
    if (close == std::string::npos) return std::nullopt;
    std::vector<std::string_view> fields = split_fields(std::string_view(*text).substr(close + 1));
    if (fields.size() < 20) return std::nullopt;
    ProcessStat stat;
    stat.state = fields[0][0];
    stat.parent = parse_number<pid_t>(fields[1]).value_or(0);
    stat.start_time = parse_number<uint64_t>(fields[19]).value_or(0);
    return stat;
}

}  // namespace berth::sys

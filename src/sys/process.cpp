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
    return retry(
        [&] { return ::waitid(static_cast<idtype_t>(3), static_cast<id_t>(pidfd), &info, options); });
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

/// What the child says over the pipe that closes at exec.
struct Message {
    int error = 0;  ///< errno of what failed
    pid_t pid = 0;  ///< or: of the process that will execute the program
};

void say(int fd, const Message& message) {
    [[maybe_unused]] ssize_t written = ::write(fd, &message, sizeof message);
}

/// The program's process becomes a child of our parent, as if that had forked it itself: who waits for it
/// also reaps it. (Left to us, its remains could go to a reaper that waits, in turn, for the end of the pid
/// namespace that they hold.)
void fork_sibling(int error_fd) {
    clone_args args{};
    args.flags = CLONE_PARENT;
    long pid = launch::clone_process(args);
    if (pid == 0) return;
    say(error_fd, pid > 0 ? Message{0, static_cast<pid_t>(pid)} : Message{static_cast<int>(-pid), 0});
    ::_exit(pid > 0 ? 0 : 127);
}

/// The child's part. Everything it needs was made before the fork.
[[noreturn]] void exec_child(const SpawnOptions& options, char** argv, char** env, int null_fd,
                             int error_fd) {
    auto fail = [&](int code) {
        say(error_fd, {code, 0});
        ::_exit(127);
    };
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (options.before_exec)
        if (int code = options.before_exec(); code != 0) fail(code);
    if (options.fork_again) fork_sibling(error_fd);
    ::setpgid(0, 0);
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
    if (!send_signal(pidfd_.get(), number))
        throw errno_error(ESRCH, fmt::format("signalling process {}", pid_));
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
    check(wait_pidfd(pidfd_.get(), info, WEXITED),
          [&] { return fmt::format("waiting for process {}", pid_); });
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
    const std::vector<std::string> only_path = {options.path};
    std::vector<char*> argv = pointers(options.argv.empty() ? only_path : options.argv);
    std::vector<char*> env = pointers(options.env);
    UniqueFd null = open_file("/dev/null", O_RDWR);
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    UniqueFd read_end(ends[0]), write_end(ends[1]);

    Child child = fork_child();
    if (!child) exec_child(options, argv.data(), env.data(), null.get(), write_end.get());
    write_end.reset();
    Message message;
    while (retry([&] { return ::read(read_end.get(), &message, sizeof message); }) == sizeof message) {
        if (message.error != 0) {
            child.kill_and_reap();
            throw errno_error(message.error, "exec " + options.path);
        }
        child.wait();
        std::optional<UniqueFd> pidfd = open_pidfd(message.pid);
        if (!pidfd) throw make_error(ErrorKind::internal, "exec {}: the new process is gone", options.path);
        child = Child(message.pid, std::move(*pidfd));
    }
    return child;
}

Finished run(SpawnOptions options, std::string_view stdin_data,
             std::optional<std::chrono::milliseconds> timeout) {
    // A file, not a pipe: a program that leaves its stdin unread holds up nobody.
    UniqueFd in = memory_file("stdin", stdin_data);
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC), "pipe2");
    UniqueFd out_read(ends[0]), out_write(ends[1]);
    check(::fcntl(out_read.get(), F_SETFL, O_NONBLOCK), "fcntl");
    options.stdin_fd = in.get();
    options.stdout_fd = options.stderr_fd = out_write.get();

    Finished finished;
    Child child = spawn(options);
    out_write.reset();
    auto deadline = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::hours(24 * 365));
    auto drain = [&] {
        char buffer[4096];
        ssize_t got = ::read(out_read.get(), buffer, sizeof buffer);
        if (got > 0) {
            size_t room = kMaxOutput - finished.output.size();
            finished.output.append(buffer, std::min(static_cast<size_t>(got), room));
        }
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) out_read.reset();
        return got > 0;
    };
    while (true) {
        pollfd polls[2] = {{child.pidfd(), POLLIN, 0}, {out_read.get(), POLLIN, 0}};
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        int ready = ::poll(polls, 2, static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30)));
        if (ready < 0 && errno == EINTR) continue;
        check(ready, "poll");
        if (ready == 0) {
            if (std::chrono::steady_clock::now() < deadline) continue;
            ::kill(-child.pid(), SIGKILL);
            child.kill_and_reap();
            throw make_error(ErrorKind::unavailable, "{} timed out after {} ms", options.path,
                             timeout->count());
        }
        if (polls[1].revents != 0) drain();
        if (polls[0].revents == 0) continue;
        while (out_read && drain()) {
        }
        finished.status = child.wait();
        return finished;
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

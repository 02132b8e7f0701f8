// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace berth::sys {

/// How a process ended.
struct ExitStatus {
    int code = 0;    ///< exit code, or 128 + signal as shells say it
    int signal = 0;  ///< 0 unless a signal ended it
    bool core_dumped = false;
};
ExitStatus exit_status(int wait_status);

/// A child process of ours. Holds its pidfd; unless waited for or released, the destructor kills and reaps
/// it.
class [[nodiscard]] Child {
  public:
    Child() noexcept = default;
    Child(pid_t pid, UniqueFd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
    Child& operator=(Child&& other) noexcept;
    ~Child() { kill_and_reap(); }

    pid_t pid() const noexcept { return pid_; }
    int pidfd() const noexcept { return pidfd_.get(); }
    explicit operator bool() const noexcept { return pid_ > 0; }

    /// Throws when the process is gone.
    void signal(int number);
    /// Waits, then reaps. Nothing if `timeout` passes first.
    std::optional<ExitStatus> wait_for(std::chrono::milliseconds timeout);
    ExitStatus wait();
    void kill_and_reap() noexcept;
    /// The caller takes over the duty to reap.
    pid_t release() noexcept;

  private:
    pid_t pid_ = -1;
    UniqueFd pidfd_;
};

struct SpawnOptions {
    std::string path;  ///< the program; argv[0] may differ
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::optional<std::string> cwd;
    int stdin_fd = -1;   ///< borrowed; -1: /dev/null
    int stdout_fd = -1;  ///< borrowed; -1: inherited
    int stderr_fd = -1;
    /// Runs in the child before exec; must use only async-signal-safe calls, returns 0 or an errno.
    std::function<int()> before_exec;
    /// The program runs in a process that is made after before_exec, as joining a pid namespace there needs.
    bool fork_again = false;
};

/// Throws errno_error("exec <path>") if the program can't be executed.
Child spawn(const SpawnOptions& options);

/// Runs to the end; the output (stdout and stderr together, at most 64 KiB kept) is returned in `output`. On
/// `timeout` the process and its group are killed and an Error (unavailable, "timed out after …") is thrown.
struct Finished {
    ExitStatus status;
    std::string output;
};
Finished run(SpawnOptions options, std::string_view stdin_data,
             std::optional<std::chrono::milliseconds> timeout);

/// clone3 without flags but CLONE_PIDFD: fork that also gives a pidfd. In the child the result is an empty
/// Child.
Child fork_child();
/// pidfd_open(2) of any process. Nothing if it is gone.
std::optional<UniqueFd> open_pidfd(pid_t pid);
/// pidfd_send_signal(2). False if the process is gone.
bool send_signal(int pidfd, int number);

/// Start time in clock ticks after boot (/proc/PID/stat, field 22) and state letter: with the pid it names a
/// process for good. Nothing if there is no such process.
struct ProcessStat {
    char state = '?';
    pid_t parent = 0;
    uint64_t start_time = 0;
};
std::optional<ProcessStat> process_stat(pid_t pid);

}  // namespace berth::sys

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "sys/cgroup.h"
#include "sys/file.h"

/// Freezing and killing: what is done to all processes of a cgroup at once.
/// v1: https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html. v2: cgroup.freeze, cgroup.kill.
namespace berth::sys {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string read_at_start(int fd, std::string_view name) {
    check(::lseek(fd, 0, SEEK_SET), [&] { return fmt::format("lseek {}", name); });
    return read_all(fd, name);
}

void write_at_start(int fd, std::string_view data, std::string_view name) {
    check(retry([&] { return ::pwrite(fd, data.data(), data.size(), 0); }),
          [&] { return fmt::format("write {} to {}", data, name); });
}

[[noreturn]] void fail_timeout(const std::string& dir, milliseconds timeout) {
    throw make_error(ErrorKind::unavailable, "freezing {}: not frozen after {} ms; thawed again", dir,
                     timeout.count());
}

/// Waits until cgroup.events says `state` ("frozen 1"). False when `timeout` has passed. Events of one file
/// are 10 ms apart at least, which is long for a freeze: the first looks don't wait for one.
bool await_state(const std::string& dir, std::string_view state, milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    UniqueFd events = open_file(dir + "/cgroup.events", O_RDONLY);
    for (milliseconds pause(1);; pause = std::min(pause * 2, milliseconds(1000))) {
        if (read_at_start(events.get(), "cgroup.events").find(state) != std::string::npos) return true;
        auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return false;
        pollfd entry{events.get(), POLLPRI, 0};
        ::poll(&entry, 1, static_cast<int>(std::min(left, pause).count()));
    }
}

void freeze_unified(const std::string& dir, milliseconds timeout) {
    write_kernel_file(dir + "/cgroup.freeze", "1");
    if (await_state(dir, "frozen 1", timeout)) return;
    write_kernel_file(dir + "/cgroup.freeze", "0");
    fail_timeout(dir, timeout);
}

/// The v1 freezer can stay in FREEZING: a task that is forking, or waits for one that is frozen already
/// (vfork), isn't reached by the first pass. Asking again reaches new tasks; thawing in between unties the
/// second kind.
void freeze_v1(const std::string& dir, milliseconds timeout) {
    constexpr int kAskAgain = 10;
    constexpr int kStartOver = 50;
    const auto deadline = Clock::now() + timeout;
    const std::string file = dir + "/freezer.state";
    UniqueFd fd = open_file(file, O_RDWR);
    timespec pause{0, 50'000};
    for (int round = 0;; ++round) {
        if (round > 0 && round % kStartOver == 0) write_at_start(fd.get(), "THAWED", file);
        if (round % kAskAgain == 0) write_at_start(fd.get(), "FROZEN", file);
        if (trim(read_at_start(fd.get(), file)) == "FROZEN") return;
        if (Clock::now() >= deadline) {
            write_at_start(fd.get(), "THAWED", file);
            fail_timeout(dir, timeout);
        }
        ::nanosleep(&pause, nullptr);
        pause.tv_nsec = std::min(pause.tv_nsec * 2, 10'000'000L);
    }
}

/// Does nothing if it isn't frozen itself.
void thaw_v1(const std::string& dir) {
    std::optional<std::string> state = try_read_file(dir + "/freezer.state");
    if (!state || trim(*state) == "THAWED") return;
    write_kernel_file(dir + "/freezer.state", "THAWED");
    if (trim(read_file(dir + "/freezer.state")) == "THAWED") return;
    throw make_error(ErrorKind::conflict, "thawing {}: an ancestor of the cgroup is frozen", dir);
}

void thaw_unified(const std::string& dir) {
    std::optional<std::string> wanted = try_read_file(dir + "/cgroup.freeze");
    if (!wanted) return;
    if (trim(*wanted) == "1") write_kernel_file(dir + "/cgroup.freeze", "0");
    if (!await_state(dir, "frozen 0", std::chrono::seconds(1)))
        throw make_error(ErrorKind::conflict, "thawing {}: an ancestor of the cgroup is frozen", dir);
}

/// False if it can't: the cgroup is gone, or threaded (its processes are the domain's, above).
bool kill_unified(const std::string& dir) {
    std::optional<UniqueFd> freezer = try_open_at(AT_FDCWD, dir + "/cgroup.freeze", O_RDWR);
    std::optional<UniqueFd> killer = try_open_at(AT_FDCWD, dir + "/cgroup.kill", O_WRONLY);
    if (!freezer || !killer) return false;
    bool was_frozen = trim(read_at_start(freezer->get(), "cgroup.freeze")) == "1";
    // The kernel goes through the tasks once, and one that it has just come by may fork before its signal
    // arrives. In a cgroup that is being frozen (no need to wait for it) such a child runs no code: the
    // second pass gets it.
    if (!was_frozen) write_at_start(freezer->get(), "1", "cgroup.freeze");
    bool can_kill = ::pwrite(killer->get(), "1", 1, 0) == 1;
    int code = errno;
    if (can_kill) write_at_start(killer->get(), "1", "cgroup.kill");
    if (!was_frozen) write_at_start(freezer->get(), "0", "cgroup.freeze");
    if (!can_kill && code != EOPNOTSUPP) throw errno_error(code, fmt::format("write to {}/cgroup.kill", dir));
    return can_kill;
}

}  // namespace

void Cgroup::freeze(milliseconds timeout) {
    if (const std::string* dir = unified_dir()) return freeze_unified(*dir, timeout);
    if (const std::string* dir = v1_dir("freezer")) return freeze_v1(*dir, timeout);
    throw make_error(ErrorKind::unavailable, "the host has no cgroup freezer");
}

void Cgroup::thaw() {
    // Both: others may have used the one that freeze() doesn't.
    if (const std::string* dir = unified_dir()) thaw_unified(*dir);
    if (const std::string* dir = v1_dir("freezer")) thaw_v1(*dir);
}

bool Cgroup::frozen() const {
    if (const std::string* dir = unified_dir()) {
        std::optional<std::string> wanted = try_read_file(*dir + "/cgroup.freeze");
        if (wanted && trim(*wanted) == "1") return true;
        std::optional<std::string> events = try_read_file(*dir + "/cgroup.events");
        // An ancestor's freezing; a cgroup without processes counts as frozen then, too.
        if (events && events->find("frozen 1") != std::string::npos) return true;
    }
    if (const std::string* dir = v1_dir("freezer")) {
        std::optional<std::string> state = try_read_file(*dir + "/freezer.state");
        return state && trim(*state) != "THAWED";
    }
    return false;
}

void Cgroup::kill(int signal) {
    if (!exists()) return;
    const std::string* dir = unified_dir();
    if (signal != SIGKILL || !dir || !kill_unified(*dir)) signal_all(signal);
    // A task in v1's freezer doesn't even die.
    if (signal != SIGKILL) return;
    if (const std::string* freezer = v1_dir("freezer")) thaw_v1(*freezer);
}

void Cgroup::signal_all(int signal) {
    // Frozen processes can't fork, and their pids can't be taken by others.
    bool was_frozen = frozen();
    bool is_frozen = was_frozen;
    if (!was_frozen) {
        try {
            freeze(std::chrono::seconds(2));
            is_frozen = true;
        } catch (const Error&) {
            // What can't be frozen is chased: until a pass finds nobody new.
        }
    }
    std::set<pid_t> done;
    for (bool found_new = true; found_new;) {
        found_new = false;
        for (pid_t pid : processes()) {
            if (!done.insert(pid).second) continue;
            found_new = true;
            if (::kill(pid, signal) < 0 && errno != ESRCH) {
                int code = errno;
                if (!was_frozen && is_frozen) thaw();
                throw errno_error(code, fmt::format("kill {}", pid));
            }
        }
        if (is_frozen) break;
    }
    if (!was_frozen && is_frozen) thaw();
}

}  // namespace berth::sys

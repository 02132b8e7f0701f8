// SPDX-License-Identifier: Apache-2.0
// How a Shim ends: from init's death to the process's own.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "base/strings.h"
#include "shim/protocol.h"
#include "shim/shim.h"

namespace berth::shim {

namespace {

using namespace std::chrono_literals;

constexpr auto kExecsEnd = 2s;      ///< for execs outside of init's pid namespace to die
constexpr auto kQuickTick = 200ms;  ///< at first; clients that don't read have 3 s (Attachment::kMaxStalls)
constexpr auto kSlowTick = 1s;      ///< then only lossless and busy ones are left
constexpr unsigned kQuickTicks = 16;

/// Runs a step of the end; a failure is told and doesn't stop the others.
template <typename Step>
void attempt(std::string_view what, Step&& step) noexcept {
    try {
        step();
    } catch (...) {
        log::write(log::Level::error, fmt::format("{}: {}", what, current_exception_message()));
    }
}

}  // namespace

void Shim::init_ended(sys::ExitStatus status) {
    if (phase_ == Phase::draining || phase_ == Phase::ended) return;
    exit_.code = status.code;
    exit_.signal = status.signal;
    begin_to_end();
}

void Shim::begin_to_end() {
    exit_.time_ns = now_ns();
    exit_.time = rfc3339(exit_.time_ns);
    phase_ = Phase::draining;
    // With init, the kernel ends all that is in its pid namespace; what shares another one's is ended here.
    if (!own_pid_namespace_) kill_everything();
    end_timer_.arm<&Shim::finish>(loop_, kExecsEnd, this);
    stdio_.drain();
}

void Shim::kill_everything() noexcept {
    attempt("killing the container", [&] {
        if (created_.init) sys::send_signal(created_.init.pidfd(), SIGKILL);
        if (std::optional<sys::Cgroup> cgroup = container_->cgroup()) cgroup->kill(SIGKILL);
    });
}

void Shim::drained() {
    drained_ = true;
    finish_if_drained();
}

void Shim::finish_if_drained() {
    if (phase_ == Phase::draining && drained_ && execs_.unfinished() == 0) finish();
}

void Shim::finish() {
    end_timer_.cancel();
    if (phase_ == Phase::ended) return;
    if (!drained_) {
        // Streams may go on for longer than execs are waited for, but not for ever (Stdio::drain).
        end_timer_.arm<&Shim::finish>(loop_, kExecsEnd, this);
        return;
    }
    record_exit();
    release();
    linger();
}

void Shim::record_exit() {
    int64_t now = now_ns();
    log_->flush(Stream::out, now);
    log_->flush(Stream::err, now);
    attempt("counting out-of-memory kills", [&] { count_oom_kills(); });
    exit_.oom_kills = oom_kills_;
    exit_.oom = oom_kills_ > 0;
    exit_.log_dropped = log_->dropped();
    attempt("writing exit.json", [&] { write_exit(directory_.get(), exit_); });

    phase_ = Phase::ended;
    json::Object record = encode_exit(exit_);
    for (const Waiter& waiter : exit_waiters_) server_.answer(waiter, record);
    exit_waiters_.clear();
    record["event"] = "exited";
    server_.event(record);
}

void Shim::release() {
    oom_watch_.reset();
    oom_.reset();
    // Sockets in the container's namespace would keep that, with its addresses, as long as this process.
    parked_.clear();
    created_.start_sync.reset();
    created_.init.kill_and_reap();
    attempt("removing the container", [&] { container_->remove(true); });
    // The last hold on the root file system: this may sync it.
    created_.rootfs_mount.reset();
    released_ = true;
    for (const Waiter& waiter : remove_waiters_) server_.answer(waiter, json::Object{});
    remove_waiters_.clear();
    if (exit_.time_ns != 0) attempt("syncing exit.json", [&] { sync_exit(directory_.get()); });
}

void Shim::detached() {
    if (released_) linger_timer_.arm<&Shim::linger>(loop_, 0ms, this);
}

void Shim::linger() {
    size_t clients = stdio_.attachments() + execs_.attachments();
    bool messages = server_.queued() > 0 && linger_ticks_ < kQuickTicks;
    if (!hurry_ && (clients > 0 || messages)) {
        auto tick = linger_ticks_ < kQuickTicks ? kQuickTick : kSlowTick;
        linger_timer_.arm<&Shim::linger_tick>(loop_, tick, this);
        return;
    }
    linger_timer_.cancel();
    unlinkat(directory_.get(), kSocketName, 0);
    log_->drain();
    // Requests that arrived meanwhile get their answer, "it has ended".
    loop_.stop_when_quiet();
}

void Shim::linger_tick() {
    ++linger_ticks_;
    stdio_.drop_stalled();
    execs_.drop_stalled();
    linger();
}

}  // namespace berth::shim

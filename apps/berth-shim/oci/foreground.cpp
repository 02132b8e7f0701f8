// SPDX-License-Identifier: Apache-2.0
#include "foreground.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "console.h"
#include "sys/file.h"

namespace berth::oci {

SignalQueue::SignalQueue() {
    sigset_t taken;
    sigfillset(&taken);
    // A fault must kill us at once, and with the terminal restored (console.cpp).
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&taken, fault);
    fd_.reset(sys::check(signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC), "signalfd"));
    sigprocmask(SIG_BLOCK, &taken, &before_);
}

SignalQueue::~SignalQueue() {
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int SignalQueue::next() {
    signalfd_siginfo info;
    while (sys::retry([&] { return read(fd_.get(), &info, sizeof(info)); }) == sizeof(info)) {
        // Our own writing to a closed pipe is not meant for the container.
        bool own_pipe = info.ssi_signo == SIGPIPE && info.ssi_pid == static_cast<uint32_t>(getpid());
        if (!own_pipe) return static_cast<int>(info.ssi_signo);
    }
    return 0;
}

namespace {

void reap_orphans(pid_t but_not) {
    while (true) {
        siginfo_t info{};
        // Looks first: the process itself is left to its owner, who wants the status.
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        if (info.si_pid == but_not) return;
        waitpid(info.si_pid, nullptr, WNOHANG);
    }
}

class Foreground {
  public:
    Foreground(sys::Child& process, SignalQueue& signals, UniqueFd console_master, bool reap_others)
        : process_(process), signals_(signals), reap_others_(reap_others) {
        if (console_master) console_.emplace(std::move(console_master));
    }

    sys::ExitStatus wait() {
        std::vector<pollfd> polled;
        while (true) {
            polled.assign({{process_.pidfd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}});
            if (console_) console_->add_to(polled);
            if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
                throw errno_error(errno, "poll");
            if (polled[1].revents) take_signals();
            if (console_) console_->copy({polled.begin() + 2, polled.end()});
            if (polled[0].revents) break;
        }
        sys::ExitStatus status = process_.wait();
        if (console_) drain();
        return status;
    }

  private:
    void take_signals() {
        while (int signal = signals_.next()) {
            if (signal == SIGCHLD) {
                if (reap_others_) reap_orphans(process_.pid());
            } else if (signal == SIGWINCH) {
                if (console_) console_->resize();
            } else if (signal != SIGURG) {
                sys::send_signal(process_.pidfd(), signal);
            }
        }
    }

    /// The last output may still have to go out to a slow reader. Whoever signals us now wants us to end.
    void drain() {
        std::vector<pollfd> polled;
        while (console_->drain_begins_or_goes_on()) {
            polled.assign({{signals_.fd(), POLLIN, 0}});
            console_->add_to(polled);
            if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR)
                throw errno_error(errno, "poll");
            while (int signal = polled[0].revents ? signals_.next() : 0)
                if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT) return;
            console_->copy({polled.begin() + 1, polled.end()});
        }
    }

    sys::Child& process_;
    SignalQueue& signals_;
    std::optional<Console> console_;
    bool reap_others_;
};

}  // namespace

sys::ExitStatus wait_in_foreground(sys::Child& process, SignalQueue& signals, UniqueFd console_master,
                                   bool reap_others) {
    return Foreground(process, signals, std::move(console_master), reap_others).wait();
}

}  // namespace berth::oci

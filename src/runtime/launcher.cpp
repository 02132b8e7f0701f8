// SPDX-License-Identifier: Apache-2.0
#include "runtime/launcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "launch/child.h"
#include "launch/syscalls.h"
#include "runtime/seccomp.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

[[noreturn]] void fail_ended(const sys::ExitStatus& status) {
    std::string how = status.signal != 0 ? fmt::format("was killed by signal {}", status.signal)
                                         : fmt::format("exited with status {}", status.code);
    throw Error(ErrorKind::internal,
                fmt::format("the container's first process {} before it was set up{}", how,
                            status.signal == SIGKILL ? " (is the memory limit too low?)" : ""));
}

}  // namespace

void await_execution(int sync, const PlanBuilder& builder,
                     const std::function<void(const launch::Report&)>& on_listener) {
    while (std::optional<launch::Report> report = receive_report(sync)) {
        if (report->kind != launch::Report::Kind::listener) builder.fail(*report);
        on_listener(*report);
    }
}

void pass_listener(pid_t pid, const launch::Report& report, const spec::Seccomp& seccomp,
                   const spec::State& state) {
    std::optional<UniqueFd> pidfd = sys::open_pidfd(pid);
    if (!pidfd) throw Error(ErrorKind::internal, "the container's first process is gone");
    // It must not make a system call of its own by now, each could be stopped by the filter; so it cannot
    // tell when the listener is there.
    constexpr std::chrono::seconds kTimeout(10);
    auto deadline = std::chrono::steady_clock::now() + kTimeout;
    UniqueFd listener;
    while (!listener) {
        listener.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd->get(), report.value, 0)));
        if (listener) break;
        if (errno != EBADF || std::chrono::steady_clock::now() > deadline)
            throw errno_error(errno, "linux.seccomp: fetching the listener");
        pollfd ended{pidfd->get(), POLLIN, 0};
        if (::poll(&ended, 1, 1) > 0)
            throw Error(ErrorKind::internal, "linux.seccomp: the container's first process has ended");
    }
    send_seccomp_listener(seccomp.listenerPath, listener.get(),
                          make_container_process_state(state, pid, seccomp.listenerMetadata));
    uint32_t fetched = 1;
    iovec from{&fetched, sizeof fetched}, to{reinterpret_cast<void*>(report.address), sizeof fetched};
    sys::check(::process_vm_writev(pid, &from, 1, &to, 1, 0),
               "linux.seccomp: answering the container's first process");
}

std::optional<launch::Report> receive_report(int sync, UniqueFd* descriptor) {
    launch::Report report;
    iovec part{&report, sizeof report};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = sys::retry([&] { return ::recvmsg(sync, &message, MSG_CMSG_CLOEXEC); });
    if (got < 0 && errno == ECONNRESET)  // with an answer of ours unread
        throw Error(ErrorKind::internal, "the container's first process has ended");
    if (got < 0 && errno == EAGAIN)
        throw Error(ErrorKind::unavailable,
                    "the new process was not set up in time (does the container hold it up?)");
    sys::check(got, "reading from the container's first process");
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        UniqueFd fd;
        int number = -1;
        std::memcpy(&number, CMSG_DATA(header), sizeof number);
        fd.reset(number);
        if (descriptor != nullptr) *descriptor = std::move(fd);
    }
    if (got == 0) return std::nullopt;
    if (got != sizeof report) throw Error(ErrorKind::internal, "a report of the wrong size");
    return report;
}

Launcher::Launcher(PlanBuilder& builder, std::optional<std::chrono::milliseconds> timeout)
    : builder_(builder) {
    const launch::Plan& plan = builder.finish();
    int ends[2];
    sys::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
    sync_.reset(ends[0]);
    if (timeout) {
        timeval limit{timeout->count() / 1000, timeout->count() % 1000 * 1000};
        sys::check(::setsockopt(sync_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "setsockopt");
    }
    UniqueFd child_end(ends[1]);
    if (plan.stage_count == 0)
        clone_direct(plan, child_end);
    else
        clone_staged(plan, child_end);
}

void Launcher::clone_direct(const launch::Plan& plan, UniqueFd& child_end) {
    int pidfd = -1;
    clone_args args{};
    args.flags = plan.clone_flags | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (plan.cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<uint64_t>(plan.cgroup_fd);
    }
    long pid = launch::clone_process(args);
    if (pid < 0) throw errno_error(static_cast<int>(-pid), "clone3 of the container's first process");
    if (pid == 0) {
        launch::close_fd(sync_.get());
        launch::run_child(plan, child_end.get());
    }
    process_ = sys::Child(static_cast<pid_t>(pid), UniqueFd(pidfd));
}

void Launcher::clone_staged(const launch::Plan& plan, UniqueFd& child_end) {
    sys::Child stage = sys::fork_child();
    if (!stage) {
        launch::close_fd(sync_.get());
        launch::run_stage(plan, child_end.get());
    }
    child_end.reset();
    std::optional<launch::Report> report = receive_report(sync_.get());
    if (!report) fail_ended(stage.wait());
    if (report->kind != launch::Report::Kind::process) builder_.fail(*report);
    stage.wait();
    std::optional<UniqueFd> pidfd = sys::open_pidfd(report->value);
    if (!pidfd) throw Error(ErrorKind::internal, "the container's first process is gone");
    process_ = sys::Child(report->value, std::move(*pidfd));
    go();
}

void Launcher::expect(launch::Phase phase) {
    std::optional<launch::Report> report = next();
    if (!report) fail_ended(process_.wait());
    if (report->kind != launch::Report::Kind::reached || report->value != static_cast<int32_t>(phase))
        throw Error(ErrorKind::internal,
                    fmt::format("an unexpected report {} from the container's first process",
                                static_cast<int>(report->kind)));
}

std::optional<launch::Report> Launcher::next() {
    received_.reset();
    std::optional<launch::Report> report = receive_report(sync_.get(), &received_);
    if (report && report->kind == launch::Report::Kind::failed) {
        process_.kill_and_reap();
        builder_.fail(*report);
    }
    return report;
}

void Launcher::go() {
    ssize_t sent = ::send(sync_.get(), &launch::kGo, 1, MSG_NOSIGNAL);
    if (sent < 0 && errno == EPIPE) return;  // it has ended; its last report is still to be read
    sys::check(sent, "answering the container's first process");
}

}  // namespace berth::runtime

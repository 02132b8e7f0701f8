// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

/// std::visit, without the exception that it may throw.
template <typename... Ops>
int run_one(Child& child, const std::variant<Ops...>& op) {
    int result = 0;
    static_cast<void>(
        ((std::holds_alternative<Ops>(op) ? (result = run(child, *std::get_if<Ops>(&op)), true) : false) ||
         ...));
    return result;
}

void copy_text(char* to, size_t size, const char* from) {
    size_t length = strlen(from);
    if (length >= size) length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

[[noreturn]] void fail(const Child& child, int32_t index, int error) {
    Report report;
    report.kind = Report::Kind::failed;
    report.in_stage = child.in_stage;
    report.step = child.step;
    report.value = index;
    report.error = -error;
    if (child.detail != nullptr) copy_text(report.detail, sizeof report.detail, child.detail);
    send_report(child, report);
    // Seen only where a filter let neither sendmsg nor write through.
    if (child.step == Step::execute) exit_now(error == -ENOENT || error == -ENOTDIR ? 127 : 126);
    exit_now(1);
}

void walk(Child& child, const Op* ops, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        child.step = Step::none;
        child.detail = nullptr;
        int result = run_one(child, ops[i]);
        if (result < 0) fail(child, static_cast<int32_t>(i), result);
    }
}

/// The new process is made a child of our parent, so that it is waited for there; we go away.
[[noreturn]] void clone_from_stage(Child& stage) {
    const Plan& plan = stage.plan;
    clone_args args{};
    args.flags = plan.clone_flags | CLONE_PARENT;
    if (plan.cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<uint64_t>(plan.cgroup_fd);
    }
    long pid = clone_process(args);
    if (pid < 0) {
        stage.step = Step::clone;
        fail(stage, kCloneIndex, static_cast<int>(pid));
    }
    if (pid == 0) {
        // The parent must hear of us from the intermediate process before it hears anything else.
        wait_for_go(stage);
        run_child(plan, stage.sync, stage.proc);
    }
    Report report;
    report.kind = Report::Kind::process;
    report.value = static_cast<int32_t>(pid);
    send_report(stage, report);
    exit_now(0);
}

}  // namespace

void exit_now(int code) {
    call(SYS_exit_group, code);
    __builtin_trap();
}

void send_report(const Child& child, const Report& report, int fd) {
    iovec part{const_cast<Report*>(&report), sizeof report};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    // Nothing can be done where the parent is gone; the next wait_for_go ends us.
    long sent;
    do {
        sent = call(SYS_sendmsg, child.sync, &message, MSG_NOSIGNAL);
    } while (sent == -EINTR);
    if (sent == -ENOSYS || sent == -EPERM) call(SYS_write, child.sync, &report, sizeof report);  // a filter
}

int wait_for_go(Child& child) {
    char answer = 0;
    long got;
    do {
        got = call(SYS_read, child.sync, &answer, 1);
    } while (got == -EINTR);
    if (got != 1 || answer != kGo) exit_now(1);
    return 0;
}

void run_stage(const Plan& plan, int sync) noexcept {
    Child stage{.plan = plan, .sync = sync};
    stage.in_stage = true;
    walk(stage, plan.stage, plan.stage_count);
    clone_from_stage(stage);
}

void run_child(const Plan& plan, int sync, int proc) noexcept {
    Child child{.plan = plan, .sync = sync};
    child.proc = proc;
    walk(child, plan.ops, plan.op_count);
    int error = execute_program(child);
    fail(child, kExecIndex, error);
}

int run(Child& child, const Sync& op) {
    if (op.announce) {
        Report report;
        report.kind = Report::Kind::reached;
        report.value = static_cast<int32_t>(op.phase);
        send_report(child, report);
    }
    return wait_for_go(child);
}

namespace {

void end_waiting(int number) {
    exit_now(128 + number);
}

/// The first process of a pid namespace gets no signal that it has no handler for; a container that only
/// waits should end at once when it is told to. reset_signals (program.cpp) undoes it.
void end_on_signals() {
    struct KernelSigaction {
        void (*handler)(int) = end_waiting;
        unsigned long flags = 0x04000000;  // SA_RESTORER, which the kernel demands; nobody returns
        void (*restorer)(int) = end_waiting;
        uint64_t mask = 0;
    } action;
    for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM})
        call(SYS_rt_sigaction, number, &action, nullptr, sizeof action.mask);
    uint64_t none = 0;
    call(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

}  // namespace

int run(Child& child, const WaitForStart& op) {
    end_on_signals();
    Report report;
    report.kind = Report::Kind::reached;
    report.value = static_cast<int32_t>(Phase::ready);
    send_report(child, report, child.master);
    if (child.master >= 0) {
        close_fd(child.master);
        child.master = -1;
    }
    if (op.listen_fd < 0) return wait_for_go(child);

    // The creator lets us go (it has written the state) before it leaves; from here on `start` speaks with
    // us.
    wait_for_go(child);
    while (true) {
        long connection = call(SYS_accept4, op.listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection == -EINTR || connection == -ECONNABORTED) continue;
        if (connection < 0) return static_cast<int>(connection);
        char answer = 0;
        long got;
        do {
            got = call(SYS_read, connection, &answer, 1);
        } while (got == -EINTR);
        if (got == 1 && answer == kGo) {
            close_fd(child.sync);
            close_fd(op.listen_fd);
            child.sync = static_cast<int>(connection);
            return 0;
        }
        close_fd(static_cast<int>(connection));  // one that only looked
    }
}

}  // namespace berth::launch

// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

/// getcwd(2) starts with "/" only where the folder can be reached from the root: a working directory (or a
/// descriptor that became one) outside of the container is found here (CVE-2024-21626).
bool inside_root() {
    char path[PATH_MAX];
    long length = call(SYS_getcwd, path, sizeof path);
    return length > 0 && path[0] == '/';
}

int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    for (unsigned i = 0; i < 2; ++i) {
        data[i].effective = static_cast<uint32_t>(effective >> (32 * i));
        data[i].permitted = static_cast<uint32_t>(permitted >> (32 * i));
        data[i].inheritable = static_cast<uint32_t>(inheritable >> (32 * i));
    }
    return static_cast<int>(call(SYS_capset, &header, data));
}

uint64_t permitted_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (call(SYS_capget, &header, data) < 0) return 0;
    return data[0].permitted | uint64_t{data[1].permitted} << 32;
}

int drop_bounding(const Credentials& op) {
    for (int cap = 0; cap <= op.last_capability; ++cap) {
        if ((op.bounding >> cap & 1) != 0 || call(SYS_prctl, PR_CAPBSET_READ, cap, 0, 0, 0) == 0) continue;
        if (long result = call(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0); result < 0)
            return static_cast<int>(result);
    }
    return 0;
}

int set_final_capabilities(Child& child, const Credentials& op) {
    child.step = Step::set_capabilities;
    if (int result = set_capabilities(op.effective, op.permitted, op.inheritable); result < 0) return result;
    call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; cap <= op.last_capability; ++cap) {
        if ((op.ambient >> cap & 1) == 0) continue;
        long result = call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
        if (result < 0) return static_cast<int>(result);
    }
    return 0;
}

constexpr time_t kListenerTimeout = 60;  // seconds; more than the parent takes before it gives up

int load_filter(Child& child, const Credentials& op) {
    child.step = Step::load_filter;
    sock_fprog program{op.filter_length, const_cast<sock_filter*>(op.filter)};
    uint32_t flags = op.filter_flags;
    if (!op.filter_notify)
        return static_cast<int>(call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));

    // From here on any call of ours may itself be sent to the listener, so the parent has to fetch the
    // listener without one: it is told the number beforehand (the lowest that is free), and answers by
    // writing to our memory.
    volatile uint32_t fetched = 0;
    long free_number = call(SYS_dup, child.sync);
    if (free_number < 0) return static_cast<int>(free_number);
    close_fd(static_cast<int>(free_number));
    Report report;
    report.kind = Report::Kind::listener;
    report.value = static_cast<int32_t>(free_number);
    report.address = reinterpret_cast<uint64_t>(&fetched);
    send_report(child, report);
    // With TSYNC a listener can only be asked for together with TSYNC_ESRCH (seccomp(2)).
    if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    long listener =
        call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) return static_cast<int>(listener);
    // The clock is the vDSO's: no system call either.
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (const time_t deadline = now.tv_sec + kListenerTimeout; fetched == 0;) {
        __builtin_ia32_pause();
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > deadline) __builtin_trap();  // the parent is gone
    }
    return 0;
}

}  // namespace

int run(Child& child, const SetCwd& op) {
    if (op.create) {
        ScopedFd folder(make_destination(child, op.path, true));
        if (folder.get() < 0 && folder.get() != -EACCES && folder.get() != -EROFS) return folder.get();
    }
    child.step = Step::none;
    long result = call(SYS_chdir, op.path);
    if (result < 0 && result != -EACCES) return static_cast<int>(result);
    child.in_cwd = result == 0;
    child.step = Step::outside_root;
    return inside_root() ? 0 : -EPERM;
}

int run(Child&, const SetRlimit& op) {
    rlimit64 limit{op.soft, op.hard};
    long result = call(SYS_prlimit64, 0, op.resource, &limit, nullptr);
    if (result == -EPERM && op.may_fail) {
        // Higher than the host allows: as high as it does.
        rlimit64 now{};
        if (call(SYS_prlimit64, 0, op.resource, nullptr, &now) < 0) return -EPERM;
        limit.rlim_max = now.rlim_max;
        if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
        result = call(SYS_prlimit64, 0, op.resource, &limit, nullptr);
    }
    return static_cast<int>(result);
}

int run(Child&, const SetScheduler& op) {
    long result = call(SYS_sched_setattr, 0, op.attributes, 0);
    return result == -EPERM && op.may_fail ? 0 : static_cast<int>(result);
}

int run(Child&, const SetIoPriority& op) {
    constexpr int kWhoProcess = 1;  // IOPRIO_WHO_PROCESS; <linux/ioprio.h> is no C++
    return static_cast<int>(call(SYS_ioprio_set, kWhoProcess, 0, op.value));
}

int run(Child&, const SetAffinity& op) {
    return static_cast<int>(call(SYS_sched_setaffinity, 0, op.bytes, op.mask));
}

int run(Child&, const SetMemoryPolicy& op) {
    return static_cast<int>(call(SYS_set_mempolicy, op.mode, op.nodes, op.max_node));
}

int run(Child&, const SetPersonality& op) {
    long result = call(SYS_personality, op.persona);
    return result < 0 ? static_cast<int>(result) : 0;
}

int run(Child&, const SetUmask& op) {
    call(SYS_umask, op.mask);
    return 0;
}

/// The order is forced: groups and ids need privileges that the last steps take away, setuid drops
/// capabilities unless told otherwise, and without no_new_privs the filter can only be loaded with
/// CAP_SYS_ADMIN, that is before the capabilities go. A filter must therefore allow capset and prctl then;
/// with no_new_privs it is the very last step.
int run(Child& child, const Credentials& op) {
    child.step = Step::set_capabilities;
    if (long result = call(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0); result < 0)
        return static_cast<int>(result);
    if (int result = drop_bounding(op); result < 0) return result;
    child.step = Step::set_groups;
    long groups = call(SYS_setgroups, op.group_count, op.groups);
    if (groups < 0 && (op.groups_required || groups != -EPERM)) return static_cast<int>(groups);
    child.step = Step::set_ids;
    if (long result = call(SYS_setresgid, op.gid, op.gid, op.gid); result < 0)
        return static_cast<int>(result);
    if (long result = call(SYS_setresuid, op.uid, op.uid, op.uid); result < 0)
        return static_cast<int>(result);
    if (!child.in_cwd) {
        // Root (of a user namespace) was kept out of a folder that may well belong to this user.
        child.step = Step::none;
        if (long result = call(SYS_chdir, child.plan.cwd); result < 0) return static_cast<int>(result);
        child.step = Step::outside_root;
        if (!inside_root()) return -EPERM;
    }
    child.step = Step::none;
    if (int result = prepare_program(child); result < 0) return result;
    if (op.filter != nullptr && !op.no_new_privileges) {
        uint64_t all = permitted_capabilities();
        child.step = Step::set_capabilities;
        if (int result = set_capabilities(all, all, op.inheritable & all); result < 0) return result;
        if (int result = load_filter(child, op); result < 0) return result;
        return set_final_capabilities(child, op);
    }
    if (int result = set_final_capabilities(child, op); result < 0) return result;
    if (!op.no_new_privileges) return 0;
    if (long result = call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); result < 0)
        return static_cast<int>(result);
    return op.filter != nullptr ? load_filter(child, op) : 0;
}

}  // namespace berth::launch

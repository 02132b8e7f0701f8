// SPDX-License-Identifier: Apache-2.0
#include "runtime/process_plan.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/capabilities.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

template <typename T>
using Names = std::pair<std::string_view, T>;

template <typename T, size_t N>
std::optional<T> find_name(const Names<T> (&names)[N], std::string_view name) {
    for (const auto& [known, value] : names)
        if (known == name) return value;
    return std::nullopt;
}

constexpr Names<int> kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};
constexpr Names<uint32_t> kPolicies[] = {
    {"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},       {"SCHED_BATCH", 3},
    {"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6},
};
constexpr Names<uint64_t> kSchedulerFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};
constexpr Names<int> kIoClasses[] = {
    {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr Names<int> kMemoryModes[] = {
    {"MPOL_DEFAULT", 0},
    {"MPOL_PREFERRED", 1},
    {"MPOL_BIND", 2},
    {"MPOL_INTERLEAVE", 3},
    {"MPOL_LOCAL", 4},
    {"MPOL_PREFERRED_MANY", 5},
    {"MPOL_WEIGHTED_INTERLEAVE", 6},
};
constexpr Names<int> kMemoryFlags[] = {
    {"MPOL_F_STATIC_NODES", 1 << 15}, {"MPOL_F_RELATIVE_NODES", 1 << 14}, {"MPOL_F_NUMA_BALANCING", 1 << 13}};

/// The kernel's first version of struct sched_attr, which every kernel takes.
struct SchedAttr {
    uint32_t size = sizeof(SchedAttr);
    uint32_t policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;
};

void plan_labels(PlanBuilder& builder, const spec::Process& process) {
    auto write = [&](const char* path, const std::string& text, const char* label) {
        builder.add(launch::WriteProc{path, builder.keep(text), text.size(), false}, label);
    };
    if (!process.apparmorProfile.empty()) {
        if (apparmor_enabled())
            write(sys::exists("/proc/self/attr/apparmor/exec") ? "thread-self/attr/apparmor/exec"
                                                               : "thread-self/attr/exec",
                  "exec " + process.apparmorProfile, "process.apparmorProfile");
        else
            log::warning("process.apparmorProfile: left out, since the host has no AppArmor");
    }
    if (!process.selinuxLabel.empty()) {
        if (selinux_enabled())
            write("thread-self/attr/exec", process.selinuxLabel, "process.selinuxLabel");
        else
            log::warning("process.selinuxLabel: left out, since the host has no SELinux");
    }
}

void plan_rlimits(PlanBuilder& builder, const spec::Process& process, const ProcessContext& context) {
    for (size_t i = 0; i < process.rlimits.size(); ++i) {
        const spec::Rlimit& limit = process.rlimits[i];
        std::string field = fmt::format("process.rlimits[{}]", i);
        std::optional<int> resource = find_name(kRlimits, limit.type);
        if (!resource) fail_field(field + ".type", fmt::format("unknown limit \"{}\"", limit.type));
        rlimit64 present{};
        ::prlimit64(0, static_cast<__rlimit_resource>(*resource), nullptr, &present);
        uint64_t hard = limit.hard, soft = limit.soft;
        bool can_raise = (own_bounding_set() >> CAP_SYS_RESOURCE & 1) != 0 && ::geteuid() == 0;
        if (hard > present.rlim_max && !can_raise) {
            log::warning("{} ({}): {} is more than the host allows, {} is set", field, limit.type, hard,
                         present.rlim_max);
            hard = present.rlim_max;
            soft = std::min(soft, hard);
        }
        builder.add(launch::SetRlimit{*resource, soft, hard, context.in_user_namespace}, field);
    }
}

void plan_scheduling(PlanBuilder& builder, const spec::Process& process, const ProcessContext& context) {
    bool privileged = (own_bounding_set() >> CAP_SYS_NICE & 1) != 0;
    if (const auto& scheduler = process.scheduler) {
        SchedAttr attr;
        attr.policy = find_name(kPolicies, scheduler->policy).value_or(0);
        for (const std::string& flag : scheduler->flags)
            attr.flags |= find_name(kSchedulerFlags, flag).value_or(0);
        attr.nice = scheduler->nice;
        attr.priority = static_cast<uint32_t>(scheduler->priority);
        attr.runtime = scheduler->runtime;
        attr.deadline = scheduler->deadline;
        attr.period = scheduler->period;
        if (!privileged)
            log::warning("process.scheduler: the host gives no CAP_SYS_NICE, it may be left out");
        builder.add(launch::SetScheduler{builder.keep(std::vector{attr}), !privileged}, "process.scheduler");
    }
    if (const auto& priority = process.ioPriority) {
        int value = find_name(kIoClasses, priority->class_).value_or(0) << 13 | priority->priority;
        builder.add(launch::SetIoPriority{value}, "process.ioPriority");
    }
    if (context.exec && process.execCPUAffinity) {
        // `initial` is for the runtime's own part of the way, `final` for the program: with one process that
        // becomes the other the last one that is given counts.
        const spec::CpuAffinity& affinity = *process.execCPUAffinity;
        bool final_given = !affinity.final_.empty();
        const std::string& list = final_given ? affinity.final_ : affinity.initial;
        std::string field = fmt::format("process.execCPUAffinity.{}", final_given ? "final" : "initial");
        if (!list.empty()) {
            std::vector<unsigned long> mask = parse_cpu_list(list, field);
            size_t bytes = mask.size() * sizeof(unsigned long);
            builder.add(launch::SetAffinity{builder.keep(std::move(mask)), bytes}, field);
        }
    }
}

void plan_credentials(PlanBuilder& builder, const spec::Process& process, const CompiledFilter* filter,
                      const ProcessContext& context) {
    // A new user namespace starts with every capability; else what we lack can't be given.
    uint64_t available = context.in_user_namespace ? kernel_capabilities() : own_bounding_set();
    CapabilitySets sets =
        make_capability_sets(process.capabilities.value_or(spec::Capabilities{}), available);
    if ((sets.inheritable & ~sets.bounding) != 0) {
        log::warning("process.capabilities.inheritable: what is not in bounding is left out");
        sets.inheritable &= sets.bounding;
        sets.ambient &= sets.inheritable;
    }
    launch::Credentials credentials{};
    credentials.uid = process.user.uid;
    credentials.gid = process.user.gid;
    credentials.group_count = process.user.additionalGids.size();
    credentials.groups = builder.keep(process.user.additionalGids);
    credentials.groups_required = context.groups_required;
    credentials.bounding = sets.bounding;
    credentials.effective = sets.effective;
    credentials.permitted = sets.permitted;
    credentials.inheritable = sets.inheritable;
    credentials.ambient = sets.ambient;
    credentials.last_capability = 63 - __builtin_clzll(kernel_capabilities());
    credentials.no_new_privileges = process.noNewPrivileges;
    if (filter != nullptr) {
        credentials.filter = filter->instructions.data();
        credentials.filter_length = static_cast<unsigned short>(filter->instructions.size());
        credentials.filter_flags = filter->flags;
        credentials.filter_notify = filter->notify;
    }
    builder.add(credentials, "process.user, process.capabilities and linux.seccomp");
}

/// Descriptors 3 … 3+n-1 are open, and not ours: all of our own are close-on-exec, what is inherited can't
/// be.
bool are_inherited(int count) {
    for (int fd = 3; fd < 3 + count; ++fd) {
        int flags = ::fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC) != 0) return false;
    }
    return true;
}

/// Socket activation (sd_listen_fds(3)): our own LISTEN_FDS are the container's.
std::vector<std::string> environment_of(const spec::Process& process, int& preserve_fds) {
    std::vector<std::string> env = process.env;
    const char* count = ::getenv("LISTEN_FDS");
    std::optional<int> fds = count != nullptr ? parse_number<int>(count) : std::nullopt;
    const char* owner = ::getenv("LISTEN_PID");
    bool ours = owner == nullptr || parse_number<pid_t>(owner) == ::getpid();
    if (fds && *fds > 0 && ours) {
        if (!are_inherited(*fds)) {
            log::warning("LISTEN_FDS={} is left out: those descriptors are not open", *fds);
            return env;
        }
        env.push_back(fmt::format("LISTEN_FDS={}", *fds));
        env.push_back("LISTEN_PID=1");
        preserve_fds = std::max(preserve_fds, *fds);
    }
    return env;
}

}  // namespace

bool apparmor_enabled() {
    std::optional<std::string> text = sys::try_read_file("/sys/module/apparmor/parameters/enabled");
    return text && text->starts_with('Y');
}

bool selinux_enabled() {
    return sys::exists("/sys/fs/selinux/enforce");
}

std::vector<unsigned long> parse_cpu_list(std::string_view list, std::string_view field) {
    constexpr unsigned kBits = 8 * sizeof(unsigned long), kMax = 8192;
    std::vector<unsigned long> mask;
    for (std::string_view part : split(list, ',')) {
        part = trim(part);
        if (part.empty()) continue;
        size_t dash = part.find('-');
        auto first = parse_number<unsigned>(trim(part.substr(0, dash)));
        auto last =
            dash == std::string_view::npos ? first : parse_number<unsigned>(trim(part.substr(dash + 1)));
        if (!first || !last || *first > *last || *last >= kMax)
            fail_field(field, fmt::format("\"{}\" is no list such as 0-2,5", list));
        if (mask.size() <= *last / kBits) mask.resize(*last / kBits + 1);
        for (unsigned i = *first; i <= *last; ++i) mask[i / kBits] |= 1UL << (i % kBits);
    }
    return mask;
}

void plan_policies(PlanBuilder& builder, const spec::Linux& platform) {
    if (platform.personality) {
        unsigned long persona = platform.personality->domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
        builder.add(launch::SetPersonality{persona}, "linux.personality");
    }
    if (platform.memoryPolicy) {
        const spec::MemoryPolicy& policy = *platform.memoryPolicy;
        int mode = find_name(kMemoryModes, policy.mode).value_or(0);
        for (const std::string& flag : policy.flags) mode |= find_name(kMemoryFlags, flag).value_or(0);
        std::vector<unsigned long> nodes = parse_cpu_list(policy.nodes, "linux.memoryPolicy.nodes");
        // set_mempolicy(2) counts one bit more than it reads.
        unsigned long max_node = nodes.empty() ? 0 : nodes.size() * 8 * sizeof(unsigned long) + 1;
        const unsigned long* mask = nodes.empty() ? nullptr : builder.keep(std::move(nodes));
        builder.add(launch::SetMemoryPolicy{mode, mask, max_node}, "linux.memoryPolicy");
    }
}

void plan_wait(PlanBuilder& builder, const spec::Process& process, const ProcessContext& context,
               int listener) {
    launch::Plan& plan = builder.plan();
    for (size_t i = 0; i < 3; ++i) plan.stdio[i] = context.stdio[i];
    plan.preserve_fds = context.preserve_fds;
    builder.set_program(process.args, environment_of(process, plan.preserve_fds), context.program);
    check_preserved(plan.preserve_fds);
    plan.cwd = builder.keep(process.cwd);
    // Before the wait: whoever reads the runtime's own output to its end must not wait for `start`.
    builder.add(launch::PlaceStdio{process.user.uid, true}, "stdio");
    builder.add(launch::CloseDescriptors{listener}, "closing inherited descriptors");
    builder.add(launch::SetCwd{builder.keep(process.cwd), !context.exec},
                fmt::format("process.cwd ({})", process.cwd));
    builder.add(launch::FindProgram{}, "process.args");
    builder.add(launch::WaitForStart{listener}, "waiting for start");
}

void plan_process(PlanBuilder& builder, const spec::Process& process, const CompiledFilter* filter,
                  const ProcessContext& context) {
    plan_labels(builder, process);
    plan_scheduling(builder, process, context);
    builder.add(launch::SetUmask{process.user.umask.value_or(022)}, "process.user.umask");
    plan_rlimits(builder, process, context);
    plan_credentials(builder, process, filter, context);
}

void check_preserved(int count) {
    if (!are_inherited(count))
        throw make_error(
            ErrorKind::invalid_argument,
            "unable to preserve descriptors: --preserve-fds asks for {}, from 3 on, but not all are open",
            count);
}

void write_oom_score(pid_t pid, const spec::Process& process) {
    if (!process.oomScoreAdj) return;
    try {
        sys::write_kernel_file(fmt::format("/proc/{}/oom_score_adj", pid),
                               std::to_string(*process.oomScoreAdj));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::forbidden) throw;
        log::warning("process.oomScoreAdj: {} is left out, since the host doesn't allow to lower it so far",
                     *process.oomScoreAdj);
    }
}

void raise_rlimits(pid_t pid, const spec::Process& process) {
    for (const spec::Rlimit& limit : process.rlimits) {
        std::optional<int> resource = find_name(kRlimits, limit.type);
        rlimit64 present{};
        auto which = static_cast<__rlimit_resource>(resource.value_or(0));
        if (!resource || ::prlimit64(pid, which, nullptr, &present) < 0 || present.rlim_max >= limit.hard)
            continue;
        rlimit64 raised{present.rlim_cur, limit.hard};
        ::prlimit64(pid, which, &raised, nullptr);  // a refusal was warned of when the plan was made
    }
}

}  // namespace berth::runtime

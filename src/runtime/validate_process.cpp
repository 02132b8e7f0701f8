// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/strings.h"
#include "runtime/validate.h"
#include "runtime/validate_fields.h"

namespace berth::runtime {

namespace {

constexpr std::array<std::string_view, 16> kRlimits = {
    "RLIMIT_AS",      "RLIMIT_CORE",     "RLIMIT_CPU",        "RLIMIT_DATA",   "RLIMIT_FSIZE", "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE",       "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS",
    "RLIMIT_RTPRIO",  "RLIMIT_RTTIME",   "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};

constexpr std::array<std::string_view, 7> kPolicies = {
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE",
};

constexpr std::array<std::string_view, 7> kSchedulerFlags = {
    "SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
};

template <typename Table>
bool contains(const Table& table, std::string_view name) {
    return std::ranges::find(table, name) != table.end();
}

std::string at(std::string_view field, std::string_view member) {
    return fmt::format("{}.{}", field, member);
}

void check_rlimits(const std::vector<spec::Rlimit>& rlimits, const std::string& field) {
    for (size_t i = 0; i < rlimits.size(); ++i) {
        const spec::Rlimit& one = rlimits[i];
        std::string entry = fmt::format("{}[{}]", field, i);
        if (!contains(kRlimits, one.type)) fail_field(entry + ".type", "unknown limit " + quote(one.type));
        if (one.soft > one.hard)
            fail_field(entry + ".soft", fmt::format("{} is above the hard limit {}", one.soft, one.hard));
        for (size_t j = 0; j < i; ++j)
            if (rlimits[j].type == one.type) fail_field(entry + ".type", one.type + " is given twice");
    }
}

void check_deadline(const spec::Scheduler& scheduler, const std::string& field) {
    bool is_deadline = scheduler.policy == "SCHED_DEADLINE";
    bool has_values = scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0;
    if (!is_deadline && has_values)
        fail_field(field, "runtime, deadline and period are for SCHED_DEADLINE only");
    if (!is_deadline) return;
    // sched_setattr(2): runtime <= deadline <= period, and a period of 0 means the deadline.
    constexpr uint64_t kMinRuntime = 1024;
    if (scheduler.runtime < kMinRuntime) fail_field(field + ".runtime", "must be at least 1024 ns");
    if (scheduler.runtime > scheduler.deadline) fail_field(field + ".runtime", "must not exceed deadline");
    if (scheduler.period != 0 && scheduler.deadline > scheduler.period)
        fail_field(field + ".deadline", "must not exceed period");
}

void check_scheduler(const spec::Scheduler& scheduler, const std::string& field) {
    const std::string& policy = scheduler.policy;
    if (policy.empty()) fail_field(field + ".policy", "is required");
    if (!contains(kPolicies, policy)) fail_field(field + ".policy", "unknown policy " + quote(policy));
    if (policy == "SCHED_ISO") fail_field(field + ".policy", "Linux does not implement SCHED_ISO");
    if (scheduler.nice < -20 || scheduler.nice > 19) fail_field(field + ".nice", "must be from -20 to 19");

    bool is_realtime = policy == "SCHED_FIFO" || policy == "SCHED_RR";
    if (is_realtime && (scheduler.priority < 1 || scheduler.priority > 99))
        fail_field(field + ".priority", fmt::format("must be from 1 to 99 with {}", policy));
    if (!is_realtime && scheduler.priority != 0)
        fail_field(field + ".priority", fmt::format("must be 0 with {}", policy));
    for (size_t i = 0; i < scheduler.flags.size(); ++i)
        if (!contains(kSchedulerFlags, scheduler.flags[i]))
            fail_field(fmt::format("{}.flags[{}]", field, i), "unknown flag " + quote(scheduler.flags[i]));
    check_deadline(scheduler, field);
}

void check_io_priority(const spec::IoPriority& priority, const std::string& field) {
    constexpr std::array<std::string_view, 3> kClasses = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                                          "IOPRIO_CLASS_IDLE"};
    if (priority.class_.empty()) fail_field(field + ".class", "is required");
    if (!contains(kClasses, priority.class_))
        fail_field(field + ".class", "unknown class " + quote(priority.class_));
    if (priority.priority < 0 || priority.priority > 7)
        fail_field(field + ".priority", "must be from 0 to 7");
}

}  // namespace

void validate_process(const spec::Process& process, std::string_view field) {
    if (process.args.empty()) fail_field(at(field, "args"), "must not be empty");
    check_texts(process.args, at(field, "args"));
    if (process.cwd.empty()) fail_field(at(field, "cwd"), "is required");
    check_absolute(process.cwd, at(field, "cwd"));
    check_environment(process.env, at(field, "env"));

    constexpr uint32_t kNoId = std::numeric_limits<uint32_t>::max();
    const spec::User& user = process.user;
    if (user.uid == kNoId) fail_field(at(field, "user.uid"), "is not a user id");
    if (user.gid == kNoId) fail_field(at(field, "user.gid"), "is not a group id");
    for (size_t i = 0; i < user.additionalGids.size(); ++i)
        if (user.additionalGids[i] == kNoId)
            fail_field(fmt::format("{}.user.additionalGids[{}]", field, i), "is not a group id");
    if (user.additionalGids.size() > 65536)  // NGROUPS_MAX
        fail_field(at(field, "user.additionalGids"), "the kernel takes at most 65536 groups");
    if (user.umask && *user.umask > 0777) fail_field(at(field, "user.umask"), "must be at most 511 (0777)");

    check_rlimits(process.rlimits, at(field, "rlimits"));
    check_text(process.apparmorProfile, at(field, "apparmorProfile"));
    check_text(process.selinuxLabel, at(field, "selinuxLabel"));
    if (process.oomScoreAdj && (*process.oomScoreAdj < -1000 || *process.oomScoreAdj > 1000))
        fail_field(at(field, "oomScoreAdj"), "must be from -1000 to 1000");
    if (process.scheduler) check_scheduler(*process.scheduler, at(field, "scheduler"));
    if (process.ioPriority) check_io_priority(*process.ioPriority, at(field, "ioPriority"));
    if (process.execCPUAffinity) {
        check_number_list(process.execCPUAffinity->initial, at(field, "execCPUAffinity.initial"));
        check_number_list(process.execCPUAffinity->final_, at(field, "execCPUAffinity.final"));
    }
    constexpr uint64_t kMaxConsole = std::numeric_limits<uint16_t>::max();
    if (process.consoleSize) {
        if (process.consoleSize->height > kMaxConsole)
            fail_field(at(field, "consoleSize.height"), "is too large");
        if (process.consoleSize->width > kMaxConsole)
            fail_field(at(field, "consoleSize.width"), "is too large");
    }
}

void check_number_list(std::string_view text, std::string_view field) {
    auto fail = [&](std::string_view part) {
        fail_field(field,
                   fmt::format("{} in {}: must be numbers and ranges, as 0-2,5", quote(part), quote(text)));
    };
    check_text(text, field);
    if (trim(text).empty()) return;
    for (std::string_view part : split(text, ',')) {
        part = trim(part);
        size_t dash = part.find('-');
        auto first = parse_number<uint32_t>(trim(part.substr(0, dash)));
        auto last =
            dash == std::string_view::npos ? first : parse_number<uint32_t>(trim(part.substr(dash + 1)));
        if (!first || !last || *first > *last) fail(part);
    }
}

}  // namespace berth::runtime

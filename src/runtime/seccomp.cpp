// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/seccomp_enosys.h"
#include "runtime/seccomp_names.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

constexpr std::string_view kField = "linux.seccomp";
constexpr uint32_t kArgumentCount = 6;
/// Above so many names libseccomp is asked for a binary tree over the numbers instead of a list. With few
/// rules the list is as good, and libseccomp 2.5.4 makes a wrong tree for none.
constexpr size_t kTreeThreshold = 32;

using Context = std::unique_ptr<void, decltype([](void* context) { seccomp_release(context); })>;

bool takes_errno(uint32_t action) {
    return action == SCMP_ACT_ERRNO(0) || action == SCMP_ACT_TRACE(0);
}

void check_action(const std::string& name, bool has_errno, const std::string& action_field,
                  const std::string& errno_field) {
    auto action = find_seccomp_name(seccomp_actions(), name);
    if (!action) fail_field(action_field, fmt::format("unknown action {}", quote(name)));
    if (has_errno && !takes_errno(*action))
        fail_field(errno_field, fmt::format("the action {} has no errno", name));
}

uint32_t resolve_action(const std::string& name, std::optional<uint32_t> errno_value) {
    uint32_t action = find_seccomp_name(seccomp_actions(), name).value();
    if (!takes_errno(action)) return action;
    return action | (errno_value.value_or(EPERM) & SECCOMP_RET_DATA);
}

void check_rule(const spec::SeccompSyscall& rule, const std::string& field) {
    if (rule.names.empty()) fail_field(field + ".names", "must not be empty");
    check_action(rule.action, rule.errnoRet.has_value(), field + ".action", field + ".errnoRet");
    for (size_t i = 0; i < rule.names.size(); ++i)
        if (rule.names[i].empty()) fail_field(fmt::format("{}.names[{}]", field, i), "must not be empty");
    for (size_t i = 0; i < rule.args.size(); ++i) {
        const spec::SeccompArg& arg = rule.args[i];
        if (arg.index >= kArgumentCount)
            fail_field(fmt::format("{}.args[{}].index", field, i), "a system call has 6 arguments, 0 to 5");
        if (!find_seccomp_name(seccomp_operators(), arg.op))
            fail_field(fmt::format("{}.args[{}].op", field, i),
                       fmt::format("unknown operator {}", quote(arg.op)));
    }
}

void check_names(const std::vector<std::string>& names, std::span<const SeccompName> table,
                 std::string_view field, std::string_view what) {
    for (size_t i = 0; i < names.size(); ++i)
        if (!find_seccomp_name(table, names[i]))
            fail_field(fmt::format("{}.{}[{}]", kField, field, i),
                       fmt::format("unknown {} {}", what, quote(names[i])));
}

bool uses_notify(const spec::Seccomp& seccomp) {
    auto notifies = [](const auto& rule) { return rule.action == "SCMP_ACT_NOTIFY"; };
    return seccomp.defaultAction == "SCMP_ACT_NOTIFY" || std::ranges::any_of(seccomp.syscalls, notifies);
}

Context make_context(uint32_t default_action) {
    Context context(seccomp_init(default_action));
    if (!context) throw make_error(ErrorKind::internal, "{}: libseccomp makes no filter", kField);
    return context;
}

/// The filter's architectures as libseccomp's tokens, the native one first.
std::vector<uint32_t> add_architectures(void* context, const std::vector<std::string>& names) {
    std::vector<uint32_t> tokens{seccomp_arch_native()};
    for (size_t i = 0; i < names.size(); ++i) {
        uint32_t token = find_seccomp_name(seccomp_architectures(), names[i]).value();
        if (std::ranges::find(tokens, token) != tokens.end()) continue;
        // EDOM: of the other byte order.
        if (token == 0 || seccomp_arch_add(context, token) < 0)
            log::warning("{}.architectures[{}]: {} can't be part of a filter here, left out", kField, i,
                         names[i]);
        else
            tokens.push_back(token);
    }
    return tokens;
}

scmp_arg_cmp condition(const spec::SeccompArg& arg) {
    return {arg.index, static_cast<scmp_compare>(find_seccomp_name(seccomp_operators(), arg.op).value()),
            arg.value, arg.valueTwo};
}

bool repeats_an_index(const std::vector<spec::SeccompArg>& args) {
    uint32_t seen = 0;
    for (const spec::SeccompArg& arg : args) {
        if (seen & (1U << arg.index)) return true;
        seen |= 1U << arg.index;
    }
    return false;
}

void add_rule(void* context, const spec::SeccompSyscall& rule, uint32_t default_action,
              const std::string& field) {
    uint32_t action = resolve_action(rule.action, rule.errnoRet);
    // libseccomp takes such a rule for an error.
    if (action == default_action) return;

    std::vector<scmp_arg_cmp> conditions;
    for (const spec::SeccompArg& arg : rule.args) conditions.push_back(condition(arg));
    bool alternatives = repeats_an_index(rule.args);

    for (const std::string& name : rule.names) {
        int number = seccomp_syscall_resolve_name(name.c_str());
        if (number == __NR_SCMP_ERROR) {
            log::debug("{}: unknown system call {} skipped", field, quote(name));
            continue;
        }
        auto add = [&](const scmp_arg_cmp* first, size_t count) {
            int result = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(count), first);
            if (result < 0) throw errno_error(-result, fmt::format("{}: the rule for {}", field, name));
        };
        if (alternatives)
            for (const scmp_arg_cmp& one : conditions) add(&one, 1);
        else
            add(conditions.data(), conditions.size());
    }
}

std::vector<sock_filter> export_program(void* context) {
    UniqueFd file = sys::memory_file("seccomp", {});
    if (int result = seccomp_export_bpf(context, file.get()); result < 0)
        throw errno_error(-result, "linux.seccomp: compiling the filter");
    sys::check(lseek(file.get(), 0, SEEK_SET), "seek in the seccomp filter");
    std::string bytes = sys::read_all(file.get(), "the seccomp filter");
    std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
    memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
    return program;
}

/// Numbers of what the profile names, rules for the default action included: who writes a name knows the
/// call.
std::vector<LastSyscall> find_last_syscalls(const spec::Seccomp& seccomp,
                                            const std::vector<uint32_t>& architectures) {
    std::vector<LastSyscall> result;
    for (uint32_t architecture : architectures) {
        int last = 0;
        for (const spec::SeccompSyscall& rule : seccomp.syscalls)
            for (const std::string& name : rule.names)
                last = std::max(last, seccomp_syscall_resolve_name_arch(architecture, name.c_str()));
        if (last > 0) result.push_back({architecture, static_cast<uint32_t>(last)});
    }
    return result;
}

/// A default action that lets calls through, or that asks someone who can answer for new calls too, is kept
/// for all.
bool denies(uint32_t action) {
    uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
    return kind != SCMP_ACT_ALLOW && kind != SCMP_ACT_LOG && kind != SCMP_ACT_TRACE(0) &&
           kind != SCMP_ACT_NOTIFY;
}

uint32_t resolve_flags(const spec::Seccomp& seccomp, bool notify) {
    uint32_t flags = 0;
    uint32_t supported = supported_seccomp_flags();
    for (size_t i = 0; i < seccomp.flags.size(); ++i) {
        uint32_t flag = find_seccomp_name(seccomp_flags(), seccomp.flags[i]).value();
        if ((flag & supported) != 0)
            flags |= flag;
        else
            log::warning("{}.flags[{}]: the kernel doesn't know {}, left out", kField, i, seccomp.flags[i]);
    }
    if (!notify) return flags & ~uint32_t{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
    // With a listener the kernel takes TSYNC only if a failure of it is told by ESRCH.
    if (flags & SECCOMP_FILTER_FLAG_TSYNC) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

}  // namespace

void check_seccomp(const spec::Seccomp& seccomp) {
    if (seccomp.defaultAction.empty()) fail_field("linux.seccomp.defaultAction", "is required");
    check_action(seccomp.defaultAction, seccomp.defaultErrnoRet.has_value(), "linux.seccomp.defaultAction",
                 "linux.seccomp.defaultErrnoRet");
    check_names(seccomp.architectures, seccomp_architectures(), "architectures", "architecture");
    check_names(seccomp.flags, seccomp_flags(), "flags", "flag");
    for (size_t i = 0; i < seccomp.syscalls.size(); ++i)
        check_rule(seccomp.syscalls[i], fmt::format("{}.syscalls[{}]", kField, i));
    if (seccomp.listenerPath.empty()) {
        if (uses_notify(seccomp)) fail_field("linux.seccomp.listenerPath", "SCMP_ACT_NOTIFY needs it");
        if (!seccomp.listenerMetadata.empty())
            fail_field("linux.seccomp.listenerMetadata", "must not be set without listenerPath");
    }
}

CompiledFilter compile_seccomp(const spec::Seccomp& seccomp) {
    check_seccomp(seccomp);
    uint32_t default_action = resolve_action(seccomp.defaultAction, seccomp.defaultErrnoRet);
    Context context = make_context(default_action);
    std::vector<uint32_t> architectures = add_architectures(context.get(), seccomp.architectures);

    size_t names = 0;
    for (const spec::SeccompSyscall& rule : seccomp.syscalls) names += rule.names.size();
    if (names > kTreeThreshold) seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);

    for (size_t i = 0; i < seccomp.syscalls.size(); ++i)
        add_rule(context.get(), seccomp.syscalls[i], default_action,
                 fmt::format("{}.syscalls[{}]", kField, i));

    CompiledFilter filter;
    filter.notify = uses_notify(seccomp);
    filter.flags = resolve_flags(seccomp, filter.notify);
    if (denies(default_action))
        filter.instructions = make_enosys_stub(find_last_syscalls(seccomp, architectures));
    std::vector<sock_filter> program = export_program(context.get());
    filter.instructions.insert(filter.instructions.end(), program.begin(), program.end());
    if (filter.instructions.size() > BPF_MAXINSNS)
        fail_field(kField, fmt::format("the filter has {} instructions, the kernel takes {}",
                                       filter.instructions.size(), BPF_MAXINSNS));
    return filter;
}

}  // namespace berth::runtime

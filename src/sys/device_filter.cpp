// SPDX-License-Identifier: Apache-2.0
#include "sys/device_filter.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <span>
#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace berth::sys {

namespace {

/// How our programs are told from others' in a cgroup.
constexpr char kProgramName[BPF_OBJ_NAME_LEN] = "berth_devices";

constexpr bpf_insn insn(uint8_t code, uint8_t dst, uint8_t src, int16_t offset, int32_t immediate) {
    bpf_insn result{};
    result.code = code;
    result.dst_reg = static_cast<uint8_t>(dst & 0xf);
    result.src_reg = static_cast<uint8_t>(src & 0xf);
    result.off = offset;
    result.imm = immediate;
    return result;
}
constexpr bpf_insn load32(uint8_t dst, uint8_t src, size_t offset) {
    return insn(BPF_LDX | BPF_MEM | BPF_W, dst, src, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn alu32(uint8_t operation, uint8_t dst, uint32_t immediate) {
    return insn(static_cast<uint8_t>(BPF_ALU | BPF_K | operation), dst, 0, 0,
                static_cast<int32_t>(immediate));
}
constexpr bpf_insn copy32(uint8_t dst, uint8_t src) {
    return insn(BPF_ALU | BPF_X | BPF_MOV, dst, src, 0, 0);
}
/// Skips `offset` instructions if the register compares so with the constant.
constexpr bpf_insn jump32(uint8_t comparison, uint8_t dst, uint32_t immediate, size_t offset) {
    return insn(static_cast<uint8_t>(BPF_JMP32 | BPF_K | comparison), dst, 0, static_cast<int16_t>(offset),
                static_cast<int32_t>(immediate));
}
constexpr bpf_insn jump(size_t offset) {
    return insn(BPF_JMP | BPF_JA, 0, 0, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn exit_program() {
    return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

// What the registers hold. The verdict is "deny" until a rule says otherwise.
constexpr uint8_t kVerdict = BPF_REG_0;
constexpr uint8_t kContext = BPF_REG_1;
constexpr uint8_t kAccess = BPF_REG_2;  ///< the bits of the access that no rule has decided yet
constexpr uint8_t kType = BPF_REG_3;
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;

/// What is done where the rule matches the device.
std::vector<bpf_insn> verdict(const DeviceRule& rule) {
    bool all = rule.access == DeviceRule::kAnyAccess;
    if (rule.allow && all) return {alu32(BPF_MOV, kVerdict, 1), exit_program()};
    if (rule.allow)
        return {alu32(BPF_AND, kAccess, ~rule.access), jump32(BPF_JNE, kAccess, 0, 2),
                alu32(BPF_MOV, kVerdict, 1), exit_program()};
    if (all) return {exit_program()};
    return {jump32(BPF_JSET, kAccess, rule.access, 1), jump(1), exit_program()};
}

/// The comparisons of a rule, then its verdict; whatever doesn't match jumps behind it.
void append_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
    std::vector<bpf_insn> body = verdict(rule);
    struct Comparison {
        uint8_t reg;
        uint32_t value;
    };
    std::vector<Comparison> comparisons;
    if (rule.type != DeviceRule::Type::all) {
        bool block = rule.type == DeviceRule::Type::block;
        comparisons.push_back({kType, block ? uint32_t{BPF_DEVCG_DEV_BLOCK} : uint32_t{BPF_DEVCG_DEV_CHAR}});
        if (rule.major) comparisons.push_back({kMajor, *rule.major});
        if (rule.minor) comparisons.push_back({kMinor, *rule.minor});
    }
    size_t left = comparisons.size();
    for (const Comparison& comparison : comparisons)
        program.push_back(jump32(BPF_JNE, comparison.reg, comparison.value, --left + body.size()));
    program.insert(program.end(), body.begin(), body.end());
}

int64_t bpf(bpf_cmd command, bpf_attr& attribute) {
    return retry([&] { return ::syscall(SYS_bpf, command, &attribute, sizeof attribute); });
}

template <typename Pointer>
uint64_t address(Pointer* pointer) {
    return reinterpret_cast<uint64_t>(pointer);
}

UniqueFd load_program(const std::vector<bpf_insn>& program) {
    bpf_attr attribute{};
    attribute.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attribute.insns = address(program.data());
    attribute.insn_cnt = static_cast<uint32_t>(program.size());
    attribute.license = address("Apache-2.0");
    std::memcpy(attribute.prog_name, kProgramName, sizeof kProgramName);
    int64_t fd = bpf(BPF_PROG_LOAD, attribute);
    return UniqueFd(static_cast<int>(check(fd, "bpf(BPF_PROG_LOAD) of the device filter")));
}

UniqueFd open_program(uint32_t id) {
    bpf_attr attribute{};
    attribute.prog_id = id;
    return UniqueFd(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attribute)));
}

bool is_ours(const UniqueFd& program) {
    bpf_prog_info info{};
    bpf_attr attribute{};
    attribute.info.bpf_fd = static_cast<uint32_t>(program.get());
    attribute.info.info_len = sizeof info;
    attribute.info.info = address(&info);
    return bpf(BPF_OBJ_GET_INFO_BY_FD, attribute) >= 0 &&
           std::strncmp(info.name, kProgramName, sizeof info.name) == 0;
}

/// Our programs among those that are attached to the cgroup itself.
std::vector<UniqueFd> attached_programs(int cgroup) {
    std::vector<uint32_t> ids(64);
    bpf_attr attribute{};
    attribute.query.target_fd = static_cast<uint32_t>(cgroup);
    attribute.query.attach_type = BPF_CGROUP_DEVICE;
    attribute.query.prog_ids = address(ids.data());
    attribute.query.prog_cnt = static_cast<uint32_t>(ids.size());
    check(bpf(BPF_PROG_QUERY, attribute), "bpf(BPF_PROG_QUERY) of the cgroup's device filters");
    ids.resize(attribute.query.prog_cnt);
    std::vector<UniqueFd> programs;
    for (uint32_t id : ids)
        if (UniqueFd program = open_program(id); program && is_ours(program))
            programs.push_back(std::move(program));
    return programs;
}

void detach(int cgroup, const UniqueFd& program) {
    bpf_attr attribute{};
    attribute.target_fd = static_cast<uint32_t>(cgroup);
    attribute.attach_bpf_fd = static_cast<uint32_t>(program.get());
    attribute.attach_type = BPF_CGROUP_DEVICE;
    if (bpf(BPF_PROG_DETACH, attribute) < 0 && errno != ENOENT)
        throw errno_error(errno, "bpf(BPF_PROG_DETACH) of the device filter");
}

bool matches(const DeviceRule& rule, DeviceRule::Type type, uint32_t major, uint32_t minor) noexcept {
    if (rule.type == DeviceRule::Type::all) return true;
    return rule.type == type && rule.major.value_or(major) == major && rule.minor.value_or(minor) == minor;
}

bool allows_all(const std::vector<DeviceRule>& rules) {
    for (const DeviceRule& rule : rules | std::views::reverse) {
        if (!rule.allow) return false;
        if (rule.decides_all()) return true;
    }
    return false;
}

}  // namespace

bool device_allowed(const std::vector<DeviceRule>& rules, DeviceRule::Type type, uint32_t major,
                    uint32_t minor, uint32_t access) noexcept {
    for (const DeviceRule& rule : rules | std::views::reverse) {
        if (!matches(rule, type, major, minor)) continue;
        if (!rule.allow && (access & rule.access)) return false;
        if (rule.allow) access &= ~rule.access;
        if (access == 0) return true;
    }
    return false;
}

std::vector<bpf_insn> compile_device_filter(const std::vector<DeviceRule>& rules) {
    std::vector<bpf_insn> program = {
        load32(kAccess, kContext, offsetof(bpf_cgroup_dev_ctx, access_type)),
        load32(kMajor, kContext, offsetof(bpf_cgroup_dev_ctx, major)),
        load32(kMinor, kContext, offsetof(bpf_cgroup_dev_ctx, minor)),
        // access_type is the type in the lower half, the access in the upper one.
        copy32(kType, kAccess),
        alu32(BPF_AND, kType, 0xffff),
        alu32(BPF_RSH, kAccess, 16),
        alu32(BPF_MOV, kVerdict, 0),
    };
    for (const DeviceRule& rule : rules | std::views::reverse) {
        if (rule.access == 0) continue;
        append_rule(program, rule);
        // The verifier refuses what can't be reached.
        if (rule.decides_all()) return program;
    }
    program.push_back(exit_program());
    return program;
}

void set_device_filter(int cgroup, const std::vector<DeviceRule>& rules) {
    std::vector<UniqueFd> old = attached_programs(cgroup);
    if (!allows_all(rules)) {
        UniqueFd program = load_program(compile_device_filter(rules));
        bpf_attr attribute{};
        attribute.target_fd = static_cast<uint32_t>(cgroup);
        attribute.attach_bpf_fd = static_cast<uint32_t>(program.get());
        attribute.attach_type = BPF_CGROUP_DEVICE;
        attribute.attach_flags = BPF_F_ALLOW_MULTI;
        if (!old.empty()) {
            attribute.attach_flags |= BPF_F_REPLACE;
            attribute.replace_bpf_fd = static_cast<uint32_t>(old.back().get());
        }
        check(bpf(BPF_PROG_ATTACH, attribute), "bpf(BPF_PROG_ATTACH) of the device filter");
        if (!old.empty()) old.pop_back();
    }
    for (const UniqueFd& program : old) detach(cgroup, program);
}

}  // namespace berth::sys

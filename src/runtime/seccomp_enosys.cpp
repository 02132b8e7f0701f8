// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp_enosys.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#include <cerrno>
#include <cstddef>
#include <map>
#include <optional>

namespace berth::runtime {

namespace {

constexpr uint32_t kX32Bit = 0x40000000;
constexpr sock_filter kLoadNumber = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
constexpr sock_filter kLoadArchitecture = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
constexpr sock_filter kReturnEnosys = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);

sock_filter jump_if(uint16_t condition, uint32_t value, uint8_t if_true, uint8_t if_false) {
    return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | condition | BPF_K), value, if_true, if_false);
}

/// The kernel's architecture (AUDIT_ARCH_*) and the limits within it. x86_64 and x32 share one: bit 30 of the
/// number tells them apart.
struct Section {
    std::optional<uint32_t> last;
    std::optional<uint32_t> last_x32;
};

/// Without its last instruction, the jump into the filter: jumps past the end of what is here reach that one.
std::vector<sock_filter> section_code(uint32_t architecture, const Section& section) {
    if (section.last_x32) {
        // A limit that is not there never denies.
        return {
            kLoadNumber,
            jump_if(BPF_JGE, kX32Bit, 1, 0),
            jump_if(BPF_JGT, section.last.value_or(kX32Bit - 1), 1, 2),
            jump_if(BPF_JGT, *section.last_x32, 0, 1),
            kReturnEnosys,
        };
    }
    if (architecture == SCMP_ARCH_X86_64) {
        // Numbers with bit 30 are the filter's business: to it they are another architecture.
        return {
            kLoadNumber,
            jump_if(BPF_JGE, kX32Bit, 2, 0),
            jump_if(BPF_JGT, *section.last, 0, 1),
            kReturnEnosys,
        };
    }
    if (architecture == SCMP_ARCH_S390 || architecture == SCMP_ARCH_S390X) {
        // Numbers that the entry code doesn't know arrive as 0, the old setup(2), which nobody calls.
        return {
            kLoadNumber,
            jump_if(BPF_JEQ, 0, 1, 0),
            jump_if(BPF_JGT, *section.last, 0, 1),
            kReturnEnosys,
        };
    }
    return {kLoadNumber, jump_if(BPF_JGT, *section.last, 0, 1), kReturnEnosys};
}

}  // namespace

std::vector<sock_filter> make_enosys_stub(std::span<const LastSyscall> last_syscalls) {
    std::map<uint32_t, Section> sections;
    for (const LastSyscall& entry : last_syscalls) {
        if (entry.architecture == SCMP_ARCH_X32)
            sections[SCMP_ARCH_X86_64].last_x32 = entry.number;
        else
            sections[entry.architecture].last = entry.number;
    }
    if (sections.empty()) return {};

    std::vector<sock_filter> code{kLoadArchitecture};
    std::vector<size_t> jumps_to_end;
    for (const auto& [architecture, section] : sections) {
        std::vector<sock_filter> body = section_code(architecture, section);
        code.push_back(jump_if(BPF_JEQ, architecture, 0, static_cast<uint8_t>(body.size() + 1)));
        code.insert(code.end(), body.begin(), body.end());
        jumps_to_end.push_back(code.size());
        code.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
    }
    for (size_t at : jumps_to_end) code[at].k = static_cast<uint32_t>(code.size() - at - 1);
    return code;
}

}  // namespace berth::runtime

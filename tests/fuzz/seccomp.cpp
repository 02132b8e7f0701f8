// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/json.h"
#include "runtime/seccomp_names.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

uint32_t load(const seccomp_data& call, uint32_t offset) {
    require(offset % 4 == 0 && offset + 4 <= sizeof call, "loads are words of seccomp_data");
    uint32_t word = 0;
    std::memcpy(&word, reinterpret_cast<const char*>(&call) + offset, sizeof word);
    return word;
}

/// What the kernel would do with `call`: the instructions that seccomp(2) admits and libseccomp makes.
uint32_t run(const std::vector<sock_filter>& program, const seccomp_data& call) {
    uint32_t a = 0;
    for (size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS: a = load(call, step.k); break;
            case BPF_ALU | BPF_AND | BPF_K: a &= step.k; break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: jump(a == step.k); break;
            case BPF_JMP | BPF_JGT | BPF_K: jump(a > step.k); break;
            case BPF_JMP | BPF_JGE | BPF_K: jump(a >= step.k); break;
            case BPF_JMP | BPF_JSET | BPF_K: jump((a & step.k) != 0); break;
            case BPF_RET | BPF_K: return step.k;
            default: require(false, "the program has only instructions that the kernel admits");
        }
    }
    require(false, "the program ends with a return");
    return 0;
}

uint32_t kind_of(std::string_view action) {
    return *runtime::find_seccomp_name(runtime::seccomp_actions(), action) & SECCOMP_RET_ACTION_FULL;
}

void check_program(const spec::Seccomp& profile, const runtime::CompiledFilter& filter) {
    require(!filter.instructions.empty() && filter.instructions.size() <= BPF_MAXINSNS,
            "the kernel takes the size");
    require(filter.notify == ((filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0),
            "notify needs a listener");

    // For calls of unknown architectures libseccomp kills the thread; numbers above all known ones give
    // ENOSYS.
    std::set<uint32_t> kinds = {SECCOMP_RET_KILL_THREAD, SECCOMP_RET_ERRNO, kind_of(profile.defaultAction)};
    for (const spec::SeccompSyscall& rule : profile.syscalls) kinds.insert(kind_of(rule.action));
    for (uint32_t architecture : std::initializer_list<uint32_t>{AUDIT_ARCH_X86_64, AUDIT_ARCH_I386,
                                                                 AUDIT_ARCH_AARCH64, AUDIT_ARCH_S390X})
        for (int number : {-1, 0, 1, 9, 59, 101, 202, 231, 435, 1000, 0x40000000, 0x40000001, 0x7fffffff})
            for (uint64_t argument : {uint64_t{0}, uint64_t{1}, uint64_t{0x7e02'0000}, ~uint64_t{0}}) {
                seccomp_data call{.nr = number, .arch = architecture, .instruction_pointer = 0, .args = {}};
                std::fill(std::begin(call.args), std::end(call.args), argument);
                uint32_t result = run(filter.instructions, call);
                require(kinds.contains(result & SECCOMP_RET_ACTION_FULL),
                        "only actions of the profile come out");
            }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::discard_log();
    spec::Seccomp profile;
    if (!fuzz::is_valid([&] { profile = json::decode_text<spec::Seccomp>(fuzz::as_text(data, size)); }))
        return 0;
    bool valid = fuzz::is_valid([&] { runtime::check_seccomp(profile); });
    bool compiled = fuzz::succeeds([&] { check_program(profile, runtime::compile_seccomp(profile)); });
    require(valid || !compiled, "what is compiled is valid");
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "sys/device_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/error.h"
#include "base/strings.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace berth::sys {
namespace {

using Type = DeviceRule::Type;
constexpr uint32_t kRead = DeviceRule::kRead;
constexpr uint32_t kWrite = DeviceRule::kWrite;
constexpr uint32_t kMknod = DeviceRule::kMknod;
constexpr uint32_t kAny = DeviceRule::kAnyAccess;

const DeviceRule kDenyAll{false, Type::all, {}, {}, kAny};
const DeviceRule kAllowAll{true, Type::all, {}, {}, kAny};

/// Runs the instructions that compile_device_filter uses, as the kernel would.
bool interpret(const std::vector<bpf_insn>& program, Type type, uint32_t major, uint32_t minor,
               uint32_t access) {
    uint32_t kind = type == Type::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    const uint32_t context[3] = {access << 16 | kind, major, minor};
    uint32_t reg[11] = {};
    for (size_t at = 0;; ++at) {
        if (at >= program.size()) throw std::out_of_range("ran off the program's end");
        const bpf_insn& step = program[at];
        uint32_t constant = static_cast<uint32_t>(step.imm);
        uint32_t& target = reg[step.dst_reg];
        auto skip_if = [&](bool yes) { at += yes ? static_cast<size_t>(step.off) : 0; };
        switch (step.code) {
            case BPF_LDX | BPF_MEM | BPF_W: target = context[step.off / 4]; break;
            case BPF_ALU | BPF_X | BPF_MOV: target = reg[step.src_reg]; break;
            case BPF_ALU | BPF_K | BPF_MOV: target = constant; break;
            case BPF_ALU | BPF_K | BPF_AND: target &= constant; break;
            case BPF_ALU | BPF_K | BPF_RSH: target >>= constant; break;
            case BPF_JMP32 | BPF_K | BPF_JNE: skip_if(target != constant); break;
            case BPF_JMP32 | BPF_K | BPF_JSET: skip_if((target & constant) != 0); break;
            case BPF_JMP | BPF_JA: skip_if(true); break;
            case BPF_JMP | BPF_EXIT: return reg[0] != 0;
            default: throw std::logic_error("unknown instruction");
        }
    }
}

const std::vector<std::vector<DeviceRule>> kRuleSets = {
    {},
    {kDenyAll},
    {kAllowAll},
    {kDenyAll, {true, Type::character, 1, 3, kAny}},
    {kAllowAll, {false, Type::character, 1, 3, kWrite}},
    {{true, Type::character, 1, {}, kRead}, {true, Type::character, {}, 3, kWrite}},
    {kDenyAll,
     {true, Type::character, {}, {}, kMknod},
     {true, Type::block, 8, {}, kRead | kWrite},
     {false, Type::block, 8, 0, kWrite}},
    {{true, Type::all, {}, {}, kRead | kWrite}, {false, Type::block, {}, {}, kWrite}},
    {kAllowAll, {false, Type::all, {}, {}, kMknod}, {true, Type::character, 1, 3, kMknod}},
    {{true, Type::character, 1, 3, 0}, kDenyAll},
};

TEST(DeviceFilter, LaterRulesWinForEachBit) {
    const std::vector<DeviceRule> rules = {kDenyAll,
                                           {true, Type::character, 1, {}, kRead},
                                           {true, Type::character, 1, 3, kWrite},
                                           {false, Type::character, 1, 5, kAny}};
    EXPECT_TRUE(device_allowed(rules, Type::character, 1, 3, kRead | kWrite));
    EXPECT_TRUE(device_allowed(rules, Type::character, 1, 7, kRead));
    EXPECT_FALSE(device_allowed(rules, Type::character, 1, 7, kRead | kWrite));
    EXPECT_FALSE(device_allowed(rules, Type::character, 1, 5, kRead));
    EXPECT_FALSE(device_allowed(rules, Type::block, 1, 3, kRead));
    EXPECT_FALSE(device_allowed({}, Type::character, 1, 3, kRead));
}

TEST(DeviceFilter, ProgramDecidesAsTheRulesDo) {
    for (size_t i = 0; i < kRuleSets.size(); ++i) {
        std::vector<bpf_insn> program = compile_device_filter(kRuleSets[i]);
        for (Type type : {Type::character, Type::block})
            for (uint32_t major : {1u, 8u, 4095u})
                for (uint32_t minor : {0u, 3u, 1048575u})
                    for (uint32_t access = 1; access <= kAny; ++access)
                        EXPECT_EQ(interpret(program, type, major, minor, access),
                                  device_allowed(kRuleSets[i], type, major, minor, access))
                            << "rules " << i << ", device " << major << ':' << minor << ", access " << access;
    }
}

/// A new cgroup2 directory, with the processes that a test puts there.
class AttachedFilter : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        if (!CgroupLayout::host().unified()) GTEST_SKIP() << "no cgroup2 is mounted";
        cgroup_ = Cgroup::create("/berth-test-" + random_hex(6), "");
        fd_ = cgroup_->unified_fd();
    }
    void TearDown() override {
        if (cgroup_) cgroup_->remove();
    }

    /// The errno of opening /dev/<name> in the cgroup.
    int open_inside(const char* device, int flags) {
        std::vector<UniqueFd> join = cgroup_->join_fds(true);
        pid_t pid = ::fork();
        if (pid == 0) {
            for (const UniqueFd& fd : join)
                if (::write(fd.get(), "0", 1) != 1) ::_exit(255);
            ::_exit(::open(device, flags) >= 0 ? 0 : errno);
        }
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFEXITED(status));
        return WEXITSTATUS(status);
    }

    std::optional<Cgroup> cgroup_;
    UniqueFd fd_;
};

TEST_F(AttachedFilter, HoldsAndIsReplacedAndDetached) {
    set_device_filter(fd_.get(), {kDenyAll, {true, Type::character, 1, 3, kRead}});
    EXPECT_EQ(open_inside("/dev/null", O_RDONLY), 0);
    EXPECT_EQ(open_inside("/dev/null", O_RDWR), EPERM);
    EXPECT_EQ(open_inside("/dev/zero", O_RDONLY), EPERM);
    // Programs add up where they are not replaced: then nothing would be allowed.
    set_device_filter(fd_.get(), {kDenyAll, {true, Type::character, 1, 5, kAny}});
    EXPECT_EQ(open_inside("/dev/zero", O_RDWR), 0);
    EXPECT_EQ(open_inside("/dev/null", O_RDONLY), EPERM);
    set_device_filter(fd_.get(), {kDenyAll, kAllowAll});
    EXPECT_EQ(open_inside("/dev/null", O_RDWR), 0);
}

TEST_F(AttachedFilter, VerifierTakesEveryKindOfRule) {
    for (const std::vector<DeviceRule>& rules : kRuleSets)
        EXPECT_NO_THROW(set_device_filter(fd_.get(), rules));
}

}  // namespace
}  // namespace berth::sys

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>
#include <vector>

/// Device access of a cgroup v2: a BPF program instead of the v1 controller's files.
/// https://docs.kernel.org/admin-guide/cgroup-v2.html#device-controller
namespace berth::sys {

struct DeviceRule {
    enum class Type { all, character, block };
    static constexpr uint32_t kMknod = BPF_DEVCG_ACC_MKNOD;
    static constexpr uint32_t kRead = BPF_DEVCG_ACC_READ;
    static constexpr uint32_t kWrite = BPF_DEVCG_ACC_WRITE;
    static constexpr uint32_t kAnyAccess = kMknod | kRead | kWrite;

    bool allow = false;
    Type type = Type::all;          ///< `all` matches every device, whatever major and minor say
    std::optional<uint32_t> major;  ///< nothing: any
    std::optional<uint32_t> minor;
    uint32_t access = kAnyAccess;  ///< a mask of the constants above

    /// Decides about every access to every device: rules before it have no effect.
    bool decides_all() const noexcept { return type == Type::all && access == kAnyAccess; }
    bool operator==(const DeviceRule&) const = default;
};

/// What `rules` say about an access: for each of its bits the last rule that matches decides, no rule denies;
/// the access is granted if all its bits are. (The reference for the program below.)
bool device_allowed(const std::vector<DeviceRule>& rules, DeviceRule::Type type, uint32_t major,
                    uint32_t minor, uint32_t access) noexcept;

/// The BPF_PROG_TYPE_CGROUP_DEVICE program that decides as device_allowed does.
std::vector<bpf_insn> compile_device_filter(const std::vector<DeviceRule>& rules);

/// Loads the program and attaches it to the cgroup2 directory `cgroup`; a program that this function attached
/// there before is replaced in the same step, programs of others stay (the kernel asks them all). Rules that
/// allow everything detach ours. Throws (forbidden: no CAP_BPF or CAP_SYS_ADMIN).
void set_device_filter(int cgroup, const std::vector<DeviceRule>& rules);

}  // namespace berth::sys

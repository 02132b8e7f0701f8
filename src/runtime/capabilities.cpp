// SPDX-License-Identifier: Apache-2.0
#include "runtime/capabilities.h"

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

// In the order of linux/capability.h: the index is the number.
constexpr std::array<std::string_view, 41> kNames = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

constexpr uint64_t bit(int number) {
    return uint64_t{1} << number;
}

std::string list_names(uint64_t set) {
    std::vector<std::string> names;
    for (; set != 0; set &= set - 1) {
        auto number = static_cast<size_t>(std::countr_zero(set));
        names.push_back(number < kNames.size() ? std::string(kNames[number]) : fmt::format("{}", number));
    }
    return join(names, ", ");
}

/// One of the five lists as a mask; what is dropped on the way is gathered, so that all lists make one
/// warning.
struct Reader {
    uint64_t available;
    std::string_view field;
    uint64_t unavailable = 0;

    uint64_t read(const std::vector<std::string>& names, std::string_view set) {
        uint64_t mask = 0;
        std::vector<std::string> unknown;
        for (const std::string& name : names) {
            if (auto number = capability_number(name))
                mask |= bit(*number);
            else
                unknown.push_back(quote(name));
        }
        if (!unknown.empty())
            log::warning("{}.{}: unknown capabilities are left out: {}", field, set, join(unknown, ", "));
        unavailable |= mask & ~available;
        return mask & available;
    }
};

}  // namespace

std::optional<int> capability_number(std::string_view name) {
    auto found = std::ranges::find(kNames, name);
    if (found == kNames.end()) return std::nullopt;
    return static_cast<int>(found - kNames.begin());
}

std::span<const std::string_view> capability_names() {
    return kNames;
}

uint64_t kernel_capabilities() {
    auto text = sys::try_read_file("/proc/sys/kernel/cap_last_cap");
    int last = text ? parse_number<int>(trim(*text)).value_or(kNames.size() - 1) : int{kNames.size() - 1};
    return last >= 63 ? ~uint64_t{0} : bit(last + 1) - 1;
}

uint64_t own_bounding_set() {
    uint64_t set = 0;
    // EINVAL past the kernel's last one.
    for (int number = 0; number < 64; ++number) {
        int present = prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (present < 0) break;
        if (present == 1) set |= bit(number);
    }
    return set;
}

CapabilitySets make_capability_sets(const spec::Capabilities& capabilities, uint64_t available,
                                    std::string_view field) {
    Reader reader{available, field};
    CapabilitySets sets{
        .bounding = reader.read(capabilities.bounding, "bounding"),
        .effective = reader.read(capabilities.effective, "effective"),
        .inheritable = reader.read(capabilities.inheritable, "inheritable"),
        .permitted = reader.read(capabilities.permitted, "permitted"),
        .ambient = reader.read(capabilities.ambient, "ambient"),
    };
    if (reader.unavailable != 0)
        log::warning("{}: not in the runtime's own bounding set, left out: {}", field,
                     list_names(reader.unavailable));
    if (uint64_t extra = sets.effective & ~sets.permitted)
        log::warning("{}.effective: left out, since they are not permitted: {}", field, list_names(extra));
    sets.effective &= sets.permitted;
    // The configuration that `runc spec` writes is of this kind; it is no news to anybody.
    if (uint64_t extra = sets.ambient & ~(sets.permitted & sets.inheritable))
        log::debug("{}.ambient: left out, since they are not both permitted and inheritable: {}", field,
                   list_names(extra));
    sets.ambient &= sets.permitted & sets.inheritable;
    return sets;
}

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

namespace berth::runtime {

/// The highest system call number that a filter speaks about, for one of its architectures (libseccomp's
/// token and numbers: those of x32 have bit 30 set).
struct LastSyscall {
    uint32_t architecture;
    uint32_t number;
};

/// Instructions to put before a filter: a system call above its architecture's last one returns ENOSYS; all
/// others, and those of other architectures, go on into the filter. At most one entry for each architecture.
/// Uses only what the kernel's per-syscall action cache can evaluate (loads of nr and arch, jumps, constant
/// returns).
std::vector<sock_filter> make_enosys_stub(std::span<const LastSyscall> last_syscalls);

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// The words of linux.seccomp and what they stand for (libseccomp's constants, the kernel's flags).
namespace berth::runtime {

struct SeccompName {
    std::string_view name;
    uint32_t value;
};

/// SCMP_ACT_*: libseccomp's action without an errno.
std::span<const SeccompName> seccomp_actions();
/// SCMP_CMP_*: enum scmp_compare.
std::span<const SeccompName> seccomp_operators();
/// SCMP_ARCH_*: libseccomp's token, 0 for an architecture of the specification that this libseccomp doesn't
/// know.
std::span<const SeccompName> seccomp_architectures();
/// SECCOMP_FILTER_FLAG_*: the kernel's bit.
std::span<const SeccompName> seccomp_flags();

std::optional<uint32_t> find_seccomp_name(std::span<const SeccompName> table, std::string_view name);

/// Those bits of seccomp_flags() that the running kernel takes.
uint32_t supported_seccomp_flags();

}  // namespace berth::runtime

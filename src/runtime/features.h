// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace berth::runtime {

/// What `berth-oci features` prints (runtime-spec features.md, features-linux.md): what this runtime
/// implements, whatever the host has, but for seccomp's supportedFlags, which are the kernel's. Indented,
/// with a newline at the end.
std::string features_json();

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/oci/host_facts.h"
#include "spec/runtime.h"

namespace berth::engine {

/// linux.seccomp of a config.json, as a value and as JSON.
struct SeccompProfile {
    spec::Seccomp seccomp;
    std::string text;
};

/// A profile in Docker's format (archMap, includes and excludes by capabilities, architectures and kernel),
/// as OCI's for a container with these capabilities. `profile` is JSON; "" is Docker's default profile, which
/// is part of the program. Results are kept and shared: encoding the default one costs more than all the rest
/// of a container's configuration. Any thread. Null where the profile says nothing at all ("{}").
/// invalid_argument "Decoding seccomp profile failed: …".
std::shared_ptr<const SeccompProfile> seccomp_profile(std::string_view profile, uint64_t capabilities,
                                                      const HostFacts& host);

}  // namespace berth::engine

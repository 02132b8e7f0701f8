// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/config/daemon_config.h"
#include "engine/oci/host_facts.h"
#include "spec/api/container_config.h"

namespace berth::engine {

/// HostConfig.SecurityOpt, read.
struct SecurityOptions {
    std::optional<bool> no_new_privileges;
    std::string seccomp;              ///< "": the daemon's; "unconfined", "builtin", or a profile's JSON
    std::string apparmor;             ///< "": the default
    std::vector<std::string> labels;  ///< "disable", "type:x", …
    bool writable_cgroups = false;
    bool unconfined_paths = false;  ///< systempaths=unconfined: nothing masked, nothing read-only
};

/// invalid_argument "invalid --security-opt 1: "x"" (no value), "… 2: "x"" (unknown).
SecurityOptions parse_security_options(const spec::api::Strings& options);

/// The AppArmor profile of a container's processes; "" where the host has no AppArmor (or, for the default
/// profile, hasn't loaded it).
std::string apparmor_profile(const SecurityOptions& options, bool privileged, const HostFacts& host);

/// SELinux labels of processes and of mounts; empty where the daemon or the host has it off.
struct SelinuxLabels {
    std::string process, mount;
};
SelinuxLabels selinux_labels(const SecurityOptions& options, const std::string& id, bool privileged,
                             const DaemonConfig& daemon, const HostFacts& host);

}  // namespace berth::engine

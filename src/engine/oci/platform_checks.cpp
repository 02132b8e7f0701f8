// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"
#include "engine/oci/create_checks.h"
#include "engine/oci/modes.h"
#include "engine/oci/seccomp_profile.h"
#include "engine/oci/security_options.h"
#include "runtime/sysctl.h"

namespace berth::engine {

namespace {

using spec::api::HostConfig;

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

void check_modes(const HostConfig& host_config, const HostFacts& host, std::vector<std::string>& warnings) {
    if (!is_valid_ipc_mode(host_config.IpcMode)) fail("invalid IPC mode: {}", host_config.IpcMode);
    if (!is_valid_pid_mode(host_config.PidMode)) fail("invalid PID mode: {}", host_config.PidMode);
    if (host_config.ShmSize < 0) fail("SHM size can not be less than 0");
    if (!is_valid_uts_mode(host_config.UTSMode)) fail("invalid UTS mode: {}", host_config.UTSMode);
    if (host_config.OomScoreAdj < -1000 || host_config.OomScoreAdj > 1000)
        fail("Invalid value {}, range for oom score adj is [-1000, 1000]", host_config.OomScoreAdj);
    if (host_config.NetworkMode == "host" && !spec::api::items(host_config.PortBindings).empty())
        warnings.emplace_back("Published ports are discarded when using host network mode");
    if (!is_valid_userns_mode(host_config.UsernsMode)) fail("invalid USER mode: {}", host_config.UsernsMode);
    if (!is_valid_cgroupns_mode(host_config.CgroupnsMode))
        fail("invalid cgroup namespace mode: {}", host_config.CgroupnsMode);
    if (host_config.CgroupnsMode == "private" && !host.cgroup_namespaces)
        warnings.emplace_back(
            "Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.");
}

/// Only what is the container's own can be set.
void check_sysctls(const HostConfig& host_config) {
    for (const auto& [name, value] : host_config.Sysctls) {
        auto path = runtime::sysctl_path(name);
        auto owner = path ? runtime::sysctl_namespace(*path) : std::nullopt;
        if (!owner) fail("sysctl {} is not in a separate kernel namespace", quote(name));
        if (*owner == spec::NamespaceType::network && host_config.NetworkMode == "host")
            fail("sysctl {} not allowed in host network namespace", quote(name));
        if (*owner == spec::NamespaceType::ipc && host_config.IpcMode == "host")
            fail("sysctl {} is not allowed in the hosts ipc namespace", quote(name));
        if (*path == "kernel/hostname")
            fail("sysctl {} is not allowed as it conflicts with the OCI \"hostname\" field", quote(name));
        if (*owner == spec::NamespaceType::uts && host_config.UTSMode == "host")
            fail("sysctl {} is not allowed in the hosts UTS namespace", quote(name));
    }
}

void check_runtime(const HostConfig& host_config, const DaemonConfig& daemon) {
    static constexpr std::array<std::string_view, 3> kOwn = {"runc", "berth", "io.containerd.runc.v2"};
    const std::string& name = host_config.Runtime;
    if (name.empty() || std::ranges::find(kOwn, name) != kOwn.end()) return;
    if (!daemon.runtimes.contains(name)) fail("unknown or invalid runtime name: {}", name);
    throw make_error(
        ErrorKind::not_implemented,
        "the runtime {} is registered, but containers are only run with Berth's own for now: use "
        "\"runc\"",
        quote(name));
}

void check_cgroup_parent(const HostConfig& host_config, const DaemonConfig& daemon) {
    const std::string& parent = host_config.CgroupParent;
    if (parent.empty() || daemon.cgroup_driver != "systemd") return;
    if (parent.size() <= 6 || !parent.ends_with(".slice"))
        fail("cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
}

void check_security(const HostConfig& host_config, const HostFacts& host) {
    SecurityOptions options = parse_security_options(spec::api::items(host_config.SecurityOpt));
    bool custom = !options.seccomp.empty() && options.seccomp != "unconfined" && options.seccomp != "builtin";
    if (!custom) return;
    if (!host.seccomp) fail("seccomp is not enabled in your kernel, cannot run a custom seccomp profile");
    seccomp_profile(options.seccomp, 0, host);
}

}  // namespace

void check_platform_config(const HostConfig& host_config, const DaemonConfig& daemon, const HostFacts& host,
                           std::vector<std::string>& warnings) {
    check_modes(host_config, host, warnings);
    check_sysctls(host_config);
    if (!daemon.userns_remap.empty() && host_config.UsernsMode != "host")
        throw Error(
            ErrorKind::not_implemented,
            "user namespaces (userns-remap) are not supported yet: run the container with --userns=host");
    check_cgroup_parent(host_config, daemon);
    check_runtime(host_config, daemon);
    check_security(host_config, host);
}

}  // namespace berth::engine

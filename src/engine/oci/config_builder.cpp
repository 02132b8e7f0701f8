// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/config_builder.h"

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "engine/oci/capability_rules.h"
#include "engine/oci/default_mounts.h"
#include "engine/oci/device_rules.h"
#include "engine/oci/image_merge.h"
#include "engine/oci/modes.h"
#include "engine/oci/process_parts.h"
#include "engine/oci/resource_spec.h"
#include "engine/oci/seccomp_profile.h"
#include "engine/oci/security_options.h"
#include "engine/oci/user_lookup.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

using spec::NamespaceType;
using spec::api::items;

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string namespace_path(pid_t pid, const char* kind) {
    return fmt::format("/proc/{}/ns/{}", pid, kind);
}

/// A namespace of another container, which must run.
spec::Namespace joined(NamespaceType type, pid_t pid, const char* kind, const std::string& mode) {
    if (pid <= 0)
        throw make_error(ErrorKind::conflict, "cannot join the {} namespace of a non running container: {}",
                         kind, joined_container(mode));
    return {type, namespace_path(pid, kind)};
}

std::vector<spec::Namespace> namespaces(const BuildInput& input) {
    const auto& host_config = input.host_config;
    std::vector<spec::Namespace> result = {{NamespaceType::mount, {}}};
    if (is_container_mode(host_config.NetworkMode))
        result.push_back(joined(NamespaceType::network, input.network_pid, "net", host_config.NetworkMode));
    else if (host_config.NetworkMode != "host")
        result.push_back({NamespaceType::network, input.network_namespace});

    if (host_config.UTSMode != "host") result.push_back({NamespaceType::uts, {}});

    if (is_container_mode(host_config.PidMode))
        result.push_back(joined(NamespaceType::pid, input.pid_pid, "pid", host_config.PidMode));
    else if (host_config.PidMode != "host")
        result.push_back({NamespaceType::pid, {}});

    if (is_container_mode(host_config.IpcMode))
        result.push_back(joined(NamespaceType::ipc, input.ipc_pid, "ipc", host_config.IpcMode));
    else if (host_config.IpcMode != "host")
        result.push_back({NamespaceType::ipc, {}});

    if (host_config.CgroupnsMode == "private" && input.host.cgroup_namespaces)
        result.push_back({NamespaceType::cgroup, {}});
    return result;
}

std::map<std::string, std::string> sysctls(const BuildInput& input) {
    std::map<std::string, std::string> result = input.host_config.Sysctls;
    if (has_own_network(input.host_config.NetworkMode)) {
        // Ping without CAP_NET_RAW, ports below 1024 without CAP_NET_BIND_SERVICE.
        if (input.host.ping_group_range) result.try_emplace("net.ipv4.ping_group_range", "0 2147483647");
        if (input.host.unprivileged_port_start)
            result.try_emplace("net.ipv4.ip_unprivileged_port_start", "0");
    }
    return result;
}

std::shared_ptr<const SeccompProfile> seccomp(const BuildInput& input, const SecurityOptions& options,
                                              uint64_t capabilities) {
    const std::string& wanted = options.seccomp;
    if (wanted == "unconfined" || !input.host.seccomp) return nullptr;
    if (wanted == "builtin") return seccomp_profile("", capabilities, input.host);
    if (!wanted.empty()) return seccomp_profile(wanted, capabilities, input.host);
    if (input.host_config.Privileged) return nullptr;

    const std::string& daemons = input.daemon.seccomp_profile;
    if (daemons == "unconfined") return nullptr;
    if (daemons.empty() || daemons == "builtin") return seccomp_profile("", capabilities, input.host);
    return seccomp_profile(sys::read_file(daemons), capabilities, input.host);
}

std::optional<spec::Box> console_size(const BuildInput& input) {
    const auto& size = input.host_config.ConsoleSize;
    if (!input.config.Tty || size.size() != 2 || size[0] == 0 || size[1] == 0) return std::nullopt;
    return spec::Box{size[0], size[1]};
}

spec::Process process(const BuildInput& input, const SecurityOptions& options, uint64_t capabilities) {
    spec::User user = find_user(input.root, input.config.User, items(input.host_config.GroupAdd));
    spec::Process result = base_process(input.id, std::move(user), input.host_config, options, capabilities,
                                        input.daemon, input.host);
    if (uses_init(input)) result.args = {kInitPath, "--"};
    result.args.push_back(input.path);
    result.args.insert(result.args.end(), input.args.begin(), input.args.end());
    result.cwd = working_folder(input.config.WorkingDir);
    result.terminal = input.config.Tty;
    result.consoleSize = console_size(input);

    if (input.joined_hostname.empty()) {
        result.env = container_environment(input.config, input.config.Tty);
    } else {
        spec::api::ContainerConfig named = input.config;
        named.Hostname = input.joined_hostname;
        result.env = container_environment(named, input.config.Tty);
    }
    return result;
}

spec::Linux linux_part(const BuildInput& input, const SecurityOptions& options) {
    const auto& host_config = input.host_config;
    spec::Linux result;
    result.namespaces = namespaces(input);
    result.sysctl = sysctls(input);
    result.cgroupsPath = container_cgroup_path(input.id, host_config, input.daemon);
    result.resources = resource_spec(host_config);
    DeviceSet devices = container_devices(host_config);
    result.resources->devices = std::move(devices.rules);
    result.devices = std::move(devices.nodes);
    result.rootfsPropagation = input.rootfs_propagation;
    result.maskedPaths = items(host_config.MaskedPaths);
    result.readonlyPaths = items(host_config.ReadonlyPaths);
    result.mountLabel =
        selinux_labels(options, input.id, host_config.Privileged, input.daemon, input.host).mount;
    return result;
}

struct Built {
    spec::Config config;  ///< without linux.seccomp
    std::shared_ptr<const SeccompProfile> seccomp;
};

Built build(const BuildInput& input) {
    check_device_requests(input.host_config);
    SecurityOptions options = parse_security_options(items(input.host_config.SecurityOpt));
    uint64_t capabilities = container_capabilities(input.host_config, input.host.capabilities);

    Built result;
    spec::Config& config = result.config;
    config.ociVersion = spec::kRuntimeSpecVersion;
    config.root = spec::Root{input.root_path, input.host_config.ReadonlyRootfs};
    config.mounts = container_mounts(input);
    config.process = process(input, options, capabilities);
    config.linux_ = linux_part(input, options);
    config.annotations = input.host_config.Annotations;
    if (input.host_config.UTSMode != "host") {
        bool joins = !input.joined_hostname.empty();
        config.hostname = joins ? input.joined_hostname : input.config.Hostname;
        config.domainname = joins ? input.joined_domainname : input.config.Domainname;
    }
    result.seccomp = seccomp(input, options, capabilities);
    return result;
}

/// What is wrong now is the container's configuration (or the host), not the request.
Built build_or_blame(const BuildInput& input) {
    try {
        return build(input);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::conflict) throw;
        throw Error(ErrorKind::internal, error.what(), error.code());
    }
}

}  // namespace

spec::Config build_config(const BuildInput& input) {
    Built built = build_or_blame(input);
    if (built.seccomp) built.config.linux_->seccomp = built.seccomp->seccomp;
    return std::move(built.config);
}

std::string build_config_text(const BuildInput& input) {
    Built built = build_or_blame(input);
    std::string text = spec::encode_config(built.config);
    if (!built.seccomp) return text;
    // Only strings come before it (an annotation of this name is followed by one), so the first is the one.
    constexpr std::string_view kLinux = "\"linux\":{";
    size_t at = text.find(kLinux) + kLinux.size();
    return fmt::format("{}\"seccomp\":{},{}", std::string_view(text).substr(0, at), built.seccomp->text,
                       std::string_view(text).substr(at));
}

std::vector<std::string> container_environment(const spec::api::ContainerConfig& config, bool terminal,
                                               const std::vector<std::string>& links) {
    std::vector<std::string> defaults = {kDefaultPath, "HOSTNAME=" + config.Hostname};
    if (terminal) defaults.emplace_back("TERM=xterm");
    defaults.insert(defaults.end(), links.begin(), links.end());
    return merge_environment(std::move(defaults), items(config.Env));
}

std::string container_cgroup_path(const std::string& id, const spec::api::HostConfig& host_config,
                                  const DaemonConfig& daemon) {
    const std::string& parent =
        host_config.CgroupParent.empty() ? daemon.cgroup_parent : host_config.CgroupParent;
    if (daemon.cgroup_driver == "systemd") return fmt::format("{}:docker:{}", parent, id);
    // A relative parent is below the hierarchy's root, as with Docker; ".." leads nowhere.
    return sys::clean_path(fmt::format("{}/{}", parent, id));
}

std::vector<std::string> default_masked_paths(const HostFacts& host) {
    std::vector<std::string> paths = {
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    };
    paths.insert(paths.end(), host.thermal_throttle.begin(), host.thermal_throttle.end());
    return paths;
}

std::vector<std::string> default_readonly_paths() {
    return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

}  // namespace berth::engine

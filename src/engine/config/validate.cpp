// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "engine/config/load.h"
#include "engine/config/values.h"

namespace berth::engine {

namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
    return std::ranges::find(choices, text) != choices.end();
}

void validate_log(const DaemonConfig& config) {
    if (!is_one_of(config.log_level,
                   {"panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"}))
        refuse("invalid logging level: {}", config.log_level);
    if (!is_one_of(config.log_format, {"text", "json"})) refuse("invalid log format: {}", config.log_format);
}

void validate_numbers(const DaemonConfig& config) {
    if (config.network.bridge.mtu < 0) refuse("invalid default MTU: {}", config.network.bridge.mtu);
    if (config.max_concurrent_downloads < 0)
        refuse("invalid max concurrent downloads: {}", config.max_concurrent_downloads);
    if (config.max_concurrent_uploads < 0)
        refuse("invalid max concurrent uploads: {}", config.max_concurrent_uploads);
    if (config.max_download_attempts < 0)
        refuse("invalid max download attempts: {}", config.max_download_attempts);
    if (config.oom_score_adjust < -1000 || config.oom_score_adjust > 1000)
        refuse("invalid oom-score-adjust: {}: must be between -1000 and 1000", config.oom_score_adjust);
    if (config.cpu_rt_period != 0 && config.cpu_rt_runtime > config.cpu_rt_period)
        refuse("invalid --cpu-rt-runtime: real-time runtime cannot be higher than real-time period");
}

/// Names that containers may ask for: Berth's own, under the names of Docker's, and what is registered.
bool is_runtime(const DaemonConfig& config, const std::string& name) {
    return is_one_of(name, {"runc", "berth", "io.containerd.runc.v2"}) || config.runtimes.contains(name);
}

void validate_runtimes(const DaemonConfig& config) {
    if (config.runtimes.contains("runc")) refuse("runtime name 'runc' is reserved");
    for (const auto& [name, runtime] : config.runtimes)
        if (!runtime.path.empty() && !runtime.type.empty())
            refuse("runtime '{}': cannot configure both path and runtimeType for the same runtime", name);
    if (!is_runtime(config, config.default_runtime))
        refuse("specified default runtime '{}' does not exist", config.default_runtime);
}

void validate_containers(const DaemonConfig& config) {
    const std::string& ipc = config.default_ipc_mode;
    if (!is_one_of(ipc, {"private", "shareable"})) {
        if (is_one_of(ipc, {"host", "none"}) || ipc.starts_with("container:"))
            refuse("IPC mode \"{}\" is not supported as default value; use \"shareable\" or \"private\"",
                   ipc);
        refuse("default IPC mode setting ({}) is invalid; use \"shareable\" or \"private\"", ipc);
    }
    if (!is_one_of(config.default_cgroupns_mode, {"", "host", "private"}))
        refuse("invalid default cgroup namespace ({}): use \"host\" or \"private\"",
               config.default_cgroupns_mode);
    for (const std::string& option : config.exec_options) {
        size_t at = option.find('=');
        std::string_view name = trim(std::string_view(option).substr(0, at));
        std::string_view value = at == std::string::npos ? "" : trim(std::string_view(option).substr(at + 1));
        if (name.empty() || value.empty())
            refuse("invalid exec-opt ({}): must be formatted 'opt=value'", option);
        if (name == "isolation")
            refuse("invalid exec-opt ({}): option 'isolation' is only supported on windows", option);
        if (name != "native.cgroupdriver")
            refuse("invalid exec-opt ({}): unknown option: '{}'", option, name);
        if (!is_one_of(value, {"cgroupfs", "systemd"}))
            refuse("native.cgroupdriver option {} is not supported: use cgroupfs or systemd", value);
        if (value == "systemd" && !config.cgroup_parent.empty() && !config.cgroup_parent.ends_with(".slice"))
            refuse("cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"");
    }
}

void validate_network(const DaemonConfig& config) {
    for (const std::string& address : config.network.dns) check_ip(address);
    for (const std::string& domain : config.network.dns_search) check_dns_search(domain);
    for (const std::string& address : config.network.host_gateway_ips) check_ip(address);
    check_ip(config.network.bridge.host_ip);
    size_t v6_count = 0;
    for (const std::string& address : config.network.publish_addresses) {
        check_ip(address);
        v6_count += address.find(':') != std::string::npos;
    }
    if (v6_count > 1 || config.network.publish_addresses.size() - v6_count > 1)
        refuse("--default-publish-ip can be given once for IPv4 and once for IPv6");
    if (!is_one_of(config.network.firewall_backend, {"", "iptables", "nftables"}))
        refuse("invalid firewall-backend: allowed values are \"iptables\" and \"nftables\"");
    if (!config.network.bridge.name.empty() && !config.network.bridge.address.empty() &&
        config.network.bridge.name == "none")
        refuse("--bip can't be given with --bridge none");
}

void validate_unbuilt(const DaemonConfig& config) {
    if (!is_one_of(config.storage_driver, {"", "overlay", "overlay2"}))
        refuse("error initializing graphdriver: driver not supported: {} (Berth has overlay2)",
               config.storage_driver);
    if (!config.userns_remap.empty())
        refuse("userns-remap is not supported: containers run in the host's user namespace");
}

}  // namespace

void validate(const DaemonConfig& config) {
    validate_log(config);
    validate_network(config);
    for (const std::string& label : config.labels) check_label(label);
    validate_numbers(config);
    for (const std::string& mirror : config.registry_mirrors) checked_mirror(mirror);
    validate_runtimes(config);
    validate_containers(config);
    validate_unbuilt(config);
}

}  // namespace berth::engine

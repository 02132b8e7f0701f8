// SPDX-License-Identifier: Apache-2.0
#include "engine/system/info.h"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/strings.h"
#include "spec/platform.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

constexpr std::string_view kIndexServer = "https://index.docker.io/v1/";
constexpr std::string_view kAttackSurface =
    "\n         Access to the remote API is equivalent to root access on the host. Refer"
    "\n         to the 'Docker daemon attack surface' section in the documentation for"
    "\n         more information: https://docs.docker.com/go/attack-surface/";

std::string or_environment(const std::string& value, const char* upper, const char* lower) {
    if (!value.empty()) return value;
    for (const char* name : {upper, lower})
        if (const char* found = std::getenv(name); found && *found) return found;
    return {};
}

int count_entries(const char* path) {
    DIR* dir = ::opendir(path);
    if (!dir) return 0;
    int count = 0;
    while (const dirent* entry = ::readdir(dir))
        if (entry->d_name[0] != '.') ++count;
    ::closedir(dir);
    return count;
}

api::RegistryConfig registry_config(const DaemonConfig& config) {
    api::RegistryConfig registry;
    registry.InsecureRegistryCIDRs = {"::1/128", "127.0.0.0/8"};
    api::IndexInfo hub{.Name = "docker.io", .Mirrors = {}, .Secure = true, .Official = true};
    for (std::string mirror : config.registry_mirrors) {
        if (!mirror.ends_with('/')) mirror += '/';
        hub.Mirrors.push_back(std::move(mirror));
    }
    for (const std::string& insecure : config.insecure_registries) {
        if (insecure.find('/') != std::string::npos)
            registry.InsecureRegistryCIDRs.push_back(insecure);
        else
            registry.IndexConfigs[insecure] =
                api::IndexInfo{.Name = insecure, .Mirrors = {}, .Secure = false, .Official = false};
    }
    registry.Mirrors = hub.Mirrors;
    registry.IndexConfigs["docker.io"] = std::move(hub);
    return registry;
}

std::vector<std::string> security_options(const DaemonConfig& config, const HostFacts& host) {
    std::vector<std::string> options;
    if (host.apparmor) options.push_back("name=apparmor");
    if (host.seccomp) options.push_back("name=seccomp,profile=" + config.seccomp_profile);
    if (host.selinux && config.selinux) options.push_back("name=selinux");
    if (!config.userns_remap.empty()) options.push_back("name=userns");
    if (host.cgroup_namespaces && config.default_cgroupns_mode == "private")
        options.push_back("name=cgroupns");
    if (config.no_new_privileges) options.push_back("name=no-new-privileges");
    return options;
}

std::vector<std::string> warnings(const DaemonConfig& config, const HostFacts& host) {
    std::vector<std::string> result;
    for (const std::string& address : config.hosts) {
        if (!address.starts_with("tcp://")) continue;
        std::string where = address.substr(6);
        if (!config.tls.enabled)
            result.push_back(fmt::format("WARNING: API is accessible on http://{} without encryption.{}",
                                         where, kAttackSurface));
        else if (!config.tls.verify)
            result.push_back(
                fmt::format("WARNING: API is accessible on https://{} without TLS client verification.{}",
                            where, kAttackSurface));
    }
    if (host.seccomp && config.seccomp_profile != "builtin" && config.seccomp_profile != "default")
        result.push_back("WARNING: daemon is not using the default seccomp profile");
    for (const std::string& warning : host_warnings(host)) result.push_back(warning);
    return result;
}

void add_kernel_features(api::Info& info, const HostFacts& host) {
    info.MemoryLimit = host.memory_limit;
    info.SwapLimit = host.swap_limit;
    info.KernelMemory = host.kernel_memory;
    info.KernelMemoryTCP = host.kernel_memory_tcp;
    info.CpuCfsPeriod = host.cpu_cfs;
    info.CpuCfsQuota = host.cpu_cfs;
    info.CPUShares = host.cpu_shares;
    info.CPUSet = host.cpuset;
    info.PidsLimit = host.pids_limit;
    info.IPv4Forwarding = host.ipv4_forwarding;
    info.BridgeNfIptables = host.bridge_nf_iptables;
    info.BridgeNfIp6tables = host.bridge_nf_ip6tables;
    info.OomKillDisable = host.oom_kill_disable;
}

void add_runtimes(api::Info& info, const DaemonConfig& config) {
    info.Runtimes["runc"] = {.path = "berth-shim", .runtimeArgs = {}, .status = {}};
    for (const auto& [name, runtime] : config.runtimes)
        info.Runtimes[name] = {.path = runtime.path.empty() ? runtime.type : runtime.path,
                               .runtimeArgs = runtime.args,
                               .status = {}};
    info.DefaultRuntime = config.default_runtime;
    info.InitBinary = config.init_path.empty() ? "berth-init" : config.init_path;
    info.ContainerdCommit.ID = "N/A";
    info.RuncCommit.ID = BERTH_VERSION;
    info.InitCommit.ID = BERTH_VERSION;
}

}  // namespace

std::string backing_file_system(const std::string& path) {
    constexpr std::array<std::pair<int64_t, std::string_view>, 10> kNames = {{
        {EXT4_SUPER_MAGIC, "extfs"},
        {XFS_SUPER_MAGIC, "xfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"},
        {TMPFS_MAGIC, "tmpfs"},
        {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
        {F2FS_SUPER_MAGIC, "f2fs"},
        {NFS_SUPER_MAGIC, "nfs"},
        {0x2fc12fc1, "zfs"},
        {RAMFS_MAGIC, "ramfs"},
        {SQUASHFS_MAGIC, "squashfs"},
    }};
    struct statfs status{};
    if (::statfs(path.c_str(), &status) != 0) return "<unknown>";
    for (const auto& [magic, name] : kNames)
        if (static_cast<int64_t>(status.f_type) == magic) return std::string(name);
    return "<unknown>";
}

std::string mask_credentials(const std::string& url) {
    size_t scheme = url.find("://");
    if (scheme == std::string::npos) return url;
    size_t begin = scheme + 3;
    size_t at = url.substr(0, url.find('/', begin)).rfind('@');
    if (at == std::string::npos || at < begin) return url;
    return url.substr(0, begin) + "xxxxx:xxxxx" + url.substr(at);
}

api::Version describe_version(const HostFacts& host, bool experimental) {
    api::Version version;
    version.Platform.Name = "Berth";
    version.Version_ = BERTH_VERSION;
    version.ApiVersion = kApiVersion;
    version.MinAPIVersion = kMinApiVersion;
    version.Os = "linux";
    version.Arch = spec::Platform::host().architecture;
    version.KernelVersion = host.kernel_release;
    version.Experimental = experimental;
    version.GoVersion = "none (C++)";
    api::VersionComponent engine{.Name = "Engine", .Version = BERTH_VERSION, .Details = {}};
    engine.Details = {
        {"ApiVersion", version.ApiVersion},
        {"Arch", version.Arch},
        {"BuildTime", version.BuildTime},
        {"Experimental", experimental ? "true" : "false"},
        {"GitCommit", version.GitCommit},
        {"GoVersion", version.GoVersion},
        {"KernelVersion", version.KernelVersion},
        {"MinAPIVersion", version.MinAPIVersion},
        {"Os", version.Os},
    };
    version.Components.push_back(std::move(engine));
    version.Components.push_back({.Name = "berth-shim", .Version = BERTH_VERSION, .Details = {}});
    return version;
}

api::Info describe_daemon(const DaemonConfig& config, const HostFacts& host) {
    api::Info info;
    add_kernel_features(info, host);
    add_runtimes(info, config);
    info.Driver = config.storage_driver;
    info.DriverStatus = {{"Backing Filesystem", backing_file_system(config.data_root)},
                         {"Supports d_type", "true"},
                         {"Using metacopy", "false"},
                         {"Native Overlay Diff", "true"},
                         {"userxattr", "false"}};
    info.Plugins.Volume = {"local"};
    info.Plugins.Network = {"bridge", "host", "ipvlan", "macvlan", "null"};
    info.Plugins.Log = {"fluentd", "gelf", "journald", "json-file", "local", "syslog"};
    info.Debug = config.debug;
    info.NFd = count_entries("/proc/self/fd");
    info.NGoroutines = count_entries("/proc/self/task");
    info.SystemTime = rfc3339(now_ns());
    info.LoggingDriver = config.log_driver;
    info.CgroupDriver = config.cgroup_driver;
    info.CgroupVersion = std::to_string(host.cgroup_version);
    info.KernelVersion = host.kernel_release;
    info.OperatingSystem = host.os_name;
    info.OSVersion = host.os_version;
    info.Architecture = host.architecture;
    info.IndexServerAddress = kIndexServer;
    info.RegistryConfig_ = registry_config(config);
    info.NCPU = host.cpu_count;
    info.MemTotal = host.memory_total;
    info.DockerRootDir = config.data_root;
    info.HttpProxy = mask_credentials(or_environment(config.http_proxy, "HTTP_PROXY", "http_proxy"));
    info.HttpsProxy = mask_credentials(or_environment(config.https_proxy, "HTTPS_PROXY", "https_proxy"));
    info.NoProxy = or_environment(config.no_proxy, "NO_PROXY", "no_proxy");
    info.Name = host.hostname;
    info.Labels = config.labels;
    info.ExperimentalBuild = config.experimental;
    info.ServerVersion = BERTH_VERSION;
    info.LiveRestoreEnabled = config.live_restore;
    info.SecurityOptions = security_options(config, host);
    for (const AddressPoolSetting& pool : config.network.address_pools)
        info.DefaultAddressPools.push_back({.Base = pool.base, .Size = pool.size});
    if (config.network.iptables || config.network.ip6tables)
        info.FirewallBackend.emplace().Driver = "nftables";
    info.CDISpecDirs = config.cdi_spec_dirs;
    if (std::vector<std::string> found = warnings(config, host); !found.empty())
        info.Warnings = std::move(found);
    return info;
}

}  // namespace berth::engine

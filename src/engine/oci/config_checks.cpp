// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"
#include "engine/oci/capability_rules.h"
#include "engine/oci/create_checks.h"
#include "engine/oci/device_rules.h"
#include "engine/oci/modes.h"
#include "engine/oci/signals.h"

namespace berth::engine {

namespace {

using spec::api::ContainerConfig;
using spec::api::HostConfig;
using spec::api::items;

/// ns; below that a health check would only check.
constexpr int64_t kMinHealthDuration = 1'000'000;

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

void check_health(const spec::api::HealthConfig& health) {
    auto check = [](int64_t duration, std::string_view name) {
        if (duration != 0 && duration < kMinHealthDuration)
            fail("{} in Healthcheck cannot be less than 1ms", name);
    };
    check(health.Interval, "Interval");
    check(health.Timeout, "Timeout");
    if (health.Retries < 0) fail("Retries in Healthcheck cannot be negative");
    check(health.StartPeriod, "StartPeriod");
    check(health.StartInterval, "StartInterval");
}

/// What becomes a word in /etc/hosts.
void check_host_name(std::string_view what, std::string_view name) {
    bool is_word = std::ranges::none_of(name, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
    if (!is_word) fail("invalid {}: {}: blanks and control characters are not allowed", what, quote(name));
}

/// "name:address"; the address may be "host-gateway", and an IPv6 one has colons itself.
void check_extra_host(const std::string& host) {
    size_t at = host.find_first_of("=:");
    if (at == std::string::npos || at == 0) fail("bad format for add-host: {}", quote(host));
    check_host_name("name in add-host", std::string_view(host).substr(0, at));
    std::string address = host.substr(at + 1);
    if (address == "host-gateway") return;
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    in6_addr parsed{};
    if (inet_pton(AF_INET, address.c_str(), &parsed) != 1 &&
        inet_pton(AF_INET6, address.c_str(), &parsed) != 1)
        fail("invalid IP address in add-host: {}", quote(address));
}

/// "8080", "8080-8090"; "": any.
bool is_range(std::string_view text) {
    if (text.empty()) return true;
    size_t dash = text.find('-');
    auto first = parse_number<uint16_t>(text.substr(0, dash));
    auto last = dash == text.npos ? first : parse_number<uint16_t>(text.substr(dash + 1));
    return first && last && *first <= *last;
}

void check_port(const std::string& port) {
    std::string_view number = std::string_view(port).substr(0, port.find('/'));
    if (parse_number<uint16_t>(number).value_or(0) == 0)
        fail("invalid port specification: {}", quote(number));
}

void check_ports(const spec::api::PortMap& ports) {
    for (const auto& [port, bindings] : ports) {
        check_port(port);
        for (const auto& binding : items(bindings)) {
            std::string_view range = std::string_view(binding.HostPort).substr(0, binding.HostPort.find('/'));
            if (!is_range(range)) fail("invalid port specification: {}", quote(binding.HostPort));
        }
    }
}

void check_ulimits(const std::vector<spec::api::Ulimit>& ulimits) {
    static constexpr std::array<std::string_view, 16> kNames = {
        "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
        "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack",
    };
    for (const auto& limit : ulimits) {
        if (std::ranges::find(kNames, limit.Name) == kNames.end())
            fail("invalid ulimit type: {}", limit.Name);
        if (limit.Hard != -1 && (limit.Soft == -1 || limit.Soft > limit.Hard))
            fail("ulimit soft limit must be less than or equal to hard limit: {} > {}", limit.Soft,
                 limit.Hard);
    }
}

void check_devices(const HostConfig& host_config) {
    for (const auto& device : items(host_config.Devices)) {
        const std::string& access = device.CgroupPermissions;
        if (access.find_first_not_of("rwm") != std::string::npos || access.size() > 3)
            fail("invalid device mode: {}", access);
        if (device.PathOnHost.empty()) fail("invalid device specification: {}", device.PathInContainer);
    }
    for (const std::string& rule : items(host_config.DeviceCgroupRules)) parse_device_cgroup_rule(rule);
    for (const auto& request : items(host_config.DeviceRequests))
        if (request.Count > 0 && !items(request.DeviceIDs).empty())
            fail("cannot set both Count and DeviceIDs on device request");
}

}  // namespace

void check_network_mode(const ContainerConfig& config, const HostConfig& host_config) {
    const std::string& mode = host_config.NetworkMode;
    bool joins = is_container_mode(mode), host = mode == "host";
    if ((joins && joined_container(mode).empty()) || mode == "container")
        fail("invalid network mode: invalid container format container:<name|id>");
    if (joins && !config.Hostname.empty()) fail("conflicting options: hostname and the network mode");
    if (joins && !items(host_config.Links).empty())
        fail(
            "conflicting options: container type network can't be used with links. This would result in "
            "undefined behavior");
    if (joins && !items(host_config.Dns).empty()) fail("conflicting options: dns and the network mode");
    if (joins && !items(host_config.ExtraHosts).empty())
        fail("conflicting options: custom host-to-IP mapping and the network mode");
    if ((joins || host) && !config.MacAddress.empty())
        fail("conflicting options: mac-address and the network mode");
    if (joins && (!items(host_config.PortBindings).empty() || host_config.PublishAllPorts))
        fail("conflicting options: port publishing and the container type network mode");
    if (joins && !config.ExposedPorts.empty())
        fail("conflicting options: port exposing and the container type network mode");
    if (host_config.UTSMode == "host" && !config.Hostname.empty())
        fail("conflicting options: hostname and the UTS mode");
    if (host_config.UTSMode == "host" && !config.Domainname.empty())
        fail("conflicting options: domainname and the UTS mode");
    if (host && !items(host_config.Links).empty())
        fail(
            "conflicting options: host type networking can't be used with links. This would result in "
            "undefined behavior");
}

void check_container_config(const ContainerConfig& config) {
    if (!config.WorkingDir.empty() && !config.WorkingDir.starts_with('/'))
        fail("the working directory '{}' is invalid, it needs to be an absolute path", config.WorkingDir);
    if (!config.StopSignal.empty()) parse_signal(config.StopSignal);
    for (const std::string& variable : items(config.Env))
        if (variable.empty() || variable.starts_with('=')) fail("invalid environment variable: {}", variable);
    if (config.Healthcheck) check_health(*config.Healthcheck);
    check_host_name("hostname", config.Hostname);
    check_host_name("domainname", config.Domainname);
    for (const auto& [port, nothing] : config.ExposedPorts)
        if (port == "0" || port.starts_with("0/")) check_port(port);
}

void check_restart_policy(const spec::api::RestartPolicy& policy) {
    if (policy.Name == "always" || policy.Name == "unless-stopped" || policy.Name == "no") {
        if (policy.MaximumRetryCount != 0)
            fail("maximum retry count cannot be used with restart policy '{}'", policy.Name);
    } else if (policy.Name == "on-failure") {
        if (policy.MaximumRetryCount < 0) fail("maximum retry count cannot be negative");
    } else if (!policy.Name.empty()) {
        fail("invalid restart policy '{}'", policy.Name);
    }
}

void check_host_config(const HostConfig& host_config) {
    const auto& policy = host_config.RestartPolicy_;
    if (host_config.AutoRemove && !policy.Name.empty() && policy.Name != "no")
        fail("can't create 'AutoRemove' container with restart policy");
    for (const std::string& host : items(host_config.ExtraHosts)) check_extra_host(host);
    for (const std::string& link : items(host_config.Links)) check_host_name("link", link);
    check_ports(items(host_config.PortBindings));
    check_restart_policy(policy);
    normalize_capabilities(items(host_config.CapAdd), "CapAdd");
    normalize_capabilities(items(host_config.CapDrop), "CapDrop");
    if (!host_config.Isolation.empty() && host_config.Isolation != "default")
        fail("invalid isolation '{}' on linux", host_config.Isolation);
    if (!host_config.ConsoleSize.empty() && host_config.ConsoleSize.size() != 2)
        fail("invalid console size: a height and a width are needed");
    check_ulimits(items(host_config.Ulimits));
    check_devices(host_config);
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/config/load.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>

#include "base/digest.h"
#include "base/strings.h"
#include "engine/config/hosts.h"
#include "engine/config/load_parts.h"
#include "engine/config/values.h"
#include "sys/cgroup_layout.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

bool is_given(const ConfigSources& sources, const std::optional<FileConfig>& file, const std::string& name) {
    return sources.flags.contains(name) || (file && file->contains(name));
}

void refuse_unbuilt(const ConfigSources& sources, const std::optional<FileConfig>& file) {
    if (is_given(sources, file, "api-cors-header"))
        throw Error(ErrorKind::invalid_argument,
                    "the \"api-cors-header\" config parameter and the \"--api-cors-header\" option have been "
                    "removed; use a reverse proxy if you need CORS headers");
    if (sources.flags.contains("authorization-plugin") || (file && file->contains("authorization-plugins")))
        throw Error(ErrorKind::invalid_argument, "authorization plugins are not supported");
    if (sources.flags.contains("rootless"))
        throw Error(ErrorKind::invalid_argument, "rootless mode is not supported");
}

/// ~/.docker, or DOCKER_CERT_PATH, as dockerd looks for its keys.
std::string default_certificates() {
    if (const char* path = ::getenv("DOCKER_CERT_PATH"); path && *path) return path;
    if (const char* path = ::getenv("DOCKER_CONFIG"); path && *path) return path;
    const char* home = ::getenv("HOME");
    return std::string(home && *home ? home : "/root") + "/.docker";
}

/// --tlsverify means --tls whatever its value; --tls alone verifies as well.
void finish_tls(DaemonConfig& config, const ConfigSources& sources, const std::optional<FileConfig>& file) {
    bool tls_given = is_given(sources, file, "tls"), verify_given = is_given(sources, file, "tlsverify");
    bool explicitly_off = tls_given && !config.tls.enabled;
    if (verify_given) {
        explicitly_off |= !config.tls.verify;
        config.tls.enabled = true;
    }
    if (config.tls.enabled && !verify_given) config.tls.verify = true;
    // Who says that there shall be no check wants none.
    if (explicitly_off) config.allow_insecure_tcp = true;
    if (!config.tls.enabled) return;
    std::string folder = default_certificates();
    if (config.tls.ca.empty()) config.tls.ca = folder + "/ca.pem";
    if (config.tls.certificate.empty()) config.tls.certificate = folder + "/cert.pem";
    if (config.tls.key.empty()) config.tls.key = folder + "/key.pem";
}

void finish_hosts(DaemonConfig& config) {
    if (config.hosts.empty()) config.hosts.emplace_back();
    std::vector<std::string> hosts;
    for (const std::string& host : config.hosts) hosts.push_back(normalize_host(host, config.tls.enabled));
    std::ranges::sort(hosts);
    hosts.erase(std::ranges::unique(hosts).begin(), hosts.end());
    config.hosts = std::move(hosts);
}

std::string absolute(const std::string& path) {
    return path.empty() ? path : sys::clean_path(path, path.starts_with('/') ? "/" : sys::current_dir());
}

void finish_cgroups(DaemonConfig& config) {
    for (const std::string& option : config.exec_options)
        config.cgroup_driver = trim(std::string_view(option).substr(option.find('=') + 1));
    if (config.cgroup_parent.empty()) {
        std::string tag(Digest::of(config.exec_root).hex().substr(0, 8));
        config.cgroup_parent = config.cgroup_driver == "systemd" ? fmt::format("berth-{}.slice", tag)
                                                                 : fmt::format("/berth-{}", tag);
    }
    if (config.default_cgroupns_mode.empty()) {
        bool unified = sys::CgroupLayout::host().mode() == sys::CgroupLayout::Mode::v2;
        config.default_cgroupns_mode = unified ? "private" : "host";
    }
}

}  // namespace

std::vector<std::string> conflict_free_labels(const std::vector<std::string>& labels) {
    std::map<std::string, std::string> seen;
    for (const std::string& label : labels) {
        size_t at = label.find('=');
        std::string key = label.substr(0, at), value = label.substr(at + 1);
        auto [found, is_new] = seen.try_emplace(key, value);
        if (!is_new && found->second != value)
            throw make_error(ErrorKind::invalid_argument, "conflict labels for {}={} and {}={}", key, value,
                             key, found->second);
    }
    std::vector<std::string> unique;
    for (const auto& [key, value] : seen) unique.push_back(fmt::format("{}={}", key, value));
    return unique;
}

void finish_registries(DaemonConfig& config) {
    for (std::string& mirror : config.registry_mirrors) mirror = checked_mirror(mirror);
    for (std::string& name : config.insecure_registries) name = checked_insecure_registry(name);
}

DaemonConfig load_config(const ConfigSources& sources) {
    DaemonConfig flags_only;
    apply_flags(flags_only, sources.flags);  // wrong flags are told before a wrong file
    std::string in_file =
        fmt::format("unable to configure the Docker daemon with file {}", sources.config_file);
    DaemonConfig config;
    std::optional<FileConfig> file = with_context(in_file, [&] {
        std::optional<FileConfig> found = read_config_file(sources);
        if (found) apply_file(config, *found);
        return found;
    });
    apply_flags(config, sources.flags);
    refuse_unbuilt(sources, file);
    if (file) {
        config.config_file = absolute(sources.config_file);
        with_context(in_file + ": merged configuration validation from file and command line flags failed",
                     [&] { validate(config); });
    } else {
        validate(config);
    }
    finish_tls(config, sources, file);
    finish_hosts(config);
    config.data_root = absolute(config.data_root);
    config.exec_root = absolute(config.exec_root);
    config.pidfile = absolute(config.pidfile);
    config.labels = conflict_free_labels(config.labels);
    finish_registries(config);
    finish_cgroups(config);
    return config;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/config/reload.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/config/load_parts.h"

namespace berth::engine {

namespace {

std::string list_text(const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& element : list) text += (text.empty() ? "" : ",") + json::print_string(element);
    return '[' + text + ']';
}

/// The form that the event has in dockerd: "runc:{runc []} x:{/usr/bin/x []}".
std::string runtimes_text(const DaemonConfig& config) {
    std::string text = "runc:{runc []}";
    for (const auto& [name, runtime] : config.runtimes) {
        std::string args;
        for (const std::string& arg : runtime.args) args += (args.empty() ? "" : " ") + arg;
        text += fmt::format(" {}:{{{} [{}]}}", name, runtime.path, args);
    }
    return text;
}

std::string features_text(const DaemonConfig& config) {
    std::string text;
    for (const auto& [name, value] : config.features)
        text += fmt::format("{}{}:{}", text.empty() ? "" : " ", name, value);
    return "map[" + text + ']';
}

}  // namespace

DaemonConfig reload_config(const DaemonConfig& current, const ConfigSources& sources) {
    DaemonConfig defaults;
    apply_flags(defaults, sources.flags);
    DaemonConfig found = defaults;
    FileConfig file;
    with_context(fmt::format("unable to configure the Docker daemon with file {}", sources.config_file), [&] {
        if (std::optional<FileConfig> read = read_config_file(sources)) file = std::move(*read);
        apply_file(found, file);
    });
    with_context("file configuration validation failed", [&] {
        found.labels = conflict_free_labels(found.labels);
        validate(found);
        finish_registries(found);
    });

    DaemonConfig next = current;
    if (file.contains("debug")) next.debug = found.debug;
    if (file.contains("labels")) next.labels = found.labels;
    if (file.contains("live-restore")) next.live_restore = found.live_restore;
    if (file.contains("shutdown-timeout")) next.shutdown_timeout = found.shutdown_timeout;
    if (file.contains("registry-mirrors")) next.registry_mirrors = found.registry_mirrors;
    if (file.contains("insecure-registries")) next.insecure_registries = found.insecure_registries;
    if (file.contains("default-runtime")) next.default_runtime = found.default_runtime;
    next.runtimes = found.runtimes;
    next.features = found.features;
    auto or_default = [](int value, int fallback) { return value != 0 ? value : fallback; };
    next.max_concurrent_downloads =
        or_default(found.max_concurrent_downloads, DaemonConfig{}.max_concurrent_downloads);
    next.max_concurrent_uploads =
        or_default(found.max_concurrent_uploads, DaemonConfig{}.max_concurrent_uploads);
    next.max_download_attempts =
        or_default(found.max_download_attempts, DaemonConfig{}.max_download_attempts);
    with_context("file configuration validation failed", [&] { validate(next); });
    return next;
}

std::map<std::string, std::string> reload_attributes(const DaemonConfig& config) {
    return {
        {"debug", config.debug ? "true" : "false"},
        {"default-runtime", config.default_runtime},
        {"default-ipc-mode", config.default_ipc_mode},
        {"default-shm-size", fmt::format("{}", config.default_shm_size)},
        {"features", features_text(config)},
        {"insecure-registries", list_text(config.insecure_registries)},
        {"labels", list_text(config.labels)},
        {"live-restore", config.live_restore ? "true" : "false"},
        {"max-concurrent-downloads", fmt::format("{}", config.max_concurrent_downloads)},
        {"max-concurrent-uploads", fmt::format("{}", config.max_concurrent_uploads)},
        {"max-download-attempts", fmt::format("{}", config.max_download_attempts)},
        {"registry-mirrors", list_text(config.registry_mirrors)},
        {"runtimes", runtimes_text(config)},
        {"shutdown-timeout", fmt::format("{}", config.shutdown_timeout)},
    };
}

}  // namespace berth::engine

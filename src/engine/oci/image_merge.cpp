// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/image_merge.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace berth::engine {

namespace {

std::string_view variable_name(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

bool has_variable(const std::vector<std::string>& variables, std::string_view name) {
    return std::ranges::any_of(variables, [&](const auto& one) { return variable_name(one) == name; });
}

void merge_healthcheck(std::optional<spec::api::HealthConfig>& into, const spec::Healthcheck& image) {
    if (!into) into.emplace();
    if (into->Test.empty()) into->Test = image.Test;
    auto inherit = [](auto& mine, auto theirs) {
        if (mine == 0) mine = theirs;
    };
    inherit(into->Interval, image.Interval);
    inherit(into->Timeout, image.Timeout);
    inherit(into->StartPeriod, image.StartPeriod);
    inherit(into->StartInterval, image.StartInterval);
    inherit(into->Retries, image.Retries);
}

void inherit_text(std::string& mine, const std::string& theirs) {
    if (mine.empty()) mine = theirs;
}

void merge_command(spec::api::ContainerConfig& config, const spec::ImageRunConfig& image) {
    // A null entrypoint inherits, an empty one ([]) doesn't, and any other one makes the image's command
    // meaningless.
    if (!spec::api::items(config.Entrypoint).empty()) return;
    if (spec::api::items(config.Cmd).empty()) {
        config.Cmd = image.Cmd;
        config.ArgsEscaped = image.ArgsEscaped;
    }
    if (!config.Entrypoint) config.Entrypoint = image.Entrypoint;
}

}  // namespace

void merge_image_config(spec::api::ContainerConfig& config, const spec::ImageRunConfig& image) {
    inherit_text(config.User, image.User);
    inherit_text(config.WorkingDir, image.WorkingDir);
    inherit_text(config.StopSignal, image.StopSignal);
    if (config.Shell.empty()) config.Shell = image.Shell;
    if (!config.StopTimeout) config.StopTimeout = image.StopTimeout;

    if (!image.Env.empty()) {
        if (!config.Env) config.Env.emplace();
        for (const std::string& variable : image.Env)
            if (!has_variable(*config.Env, variable_name(variable))) config.Env->push_back(variable);
    }
    if (!config.Labels) config.Labels.emplace();
    config.Labels->insert(image.Labels.begin(), image.Labels.end());
    for (const auto& [port, nothing] : image.ExposedPorts) config.ExposedPorts.try_emplace(port);
    // Docker shows no volumes as null, whatever the client sent.
    if (config.Volumes && config.Volumes->empty()) config.Volumes.reset();
    if (!image.Volumes.empty() && !config.Volumes) config.Volumes.emplace();
    for (const auto& [path, nothing] : image.Volumes) config.Volumes->try_emplace(path);
    merge_command(config, image);
    if (image.Healthcheck_) merge_healthcheck(config.Healthcheck, *image.Healthcheck_);
}

Command resolve_command(spec::api::ContainerConfig& config) {
    if (config.Entrypoint && config.Entrypoint->size() == 1 && config.Entrypoint->front().empty())
        config.Entrypoint.reset();
    std::vector<std::string> words = spec::api::items(config.Entrypoint);
    const auto& command = spec::api::items(config.Cmd);
    words.insert(words.end(), command.begin(), command.end());
    if (words.empty()) throw Error(ErrorKind::invalid_argument, "no command specified");
    return {words.front(), {words.begin() + 1, words.end()}};
}

std::vector<std::string> merge_environment(std::vector<std::string> defaults,
                                           const std::vector<std::string>& values) {
    // Only the defaults give way: a name that `values` has twice stays twice, as its user wrote it.
    size_t count = defaults.size();
    for (const std::string& value : values) {
        std::string_view name = variable_name(value);
        auto end = defaults.begin() + static_cast<ptrdiff_t>(count);
        auto found = std::find_if(defaults.begin(), end,
                                  [&](const std::string& one) { return variable_name(one) == name; });
        if (name.size() == value.size()) {
            if (found == end) continue;
            defaults.erase(found);
            --count;
        } else if (found != end) {
            *found = value;
        } else {
            defaults.push_back(value);
        }
    }
    return defaults;
}

}  // namespace berth::engine

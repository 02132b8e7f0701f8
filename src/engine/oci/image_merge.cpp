// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/image_merge.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"

namespace berth::engine {

namespace {

std::string_view variable_name(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

/// The image's variables that `own` doesn't have. There may be as many as fit into an image's configuration.
void inherit_variables(std::vector<std::string>& own, const std::vector<std::string>& image) {
    if (own.empty()) {
        own = image;
        return;
    }
    std::unordered_set<std::string> names;
    for (const std::string& variable : own) names.emplace(variable_name(variable));
    for (const std::string& variable : image)
        if (names.emplace(variable_name(variable)).second) own.push_back(variable);
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
        inherit_variables(*config.Env, image.Env);
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
    std::unordered_map<std::string, size_t> places;
    for (size_t i = 0; i < defaults.size(); ++i) places[std::string(variable_name(defaults[i]))] = i;
    std::vector<bool> removed(defaults.size());
    std::vector<std::string> more;
    for (const std::string& value : values) {
        std::string name(variable_name(value));
        auto place = places.find(name);
        if (name.size() == value.size()) {
            if (place != places.end()) removed[place->second] = true;
        } else if (place != places.end()) {
            defaults[place->second] = value;
            removed[place->second] = false;
        } else {
            more.push_back(value);
        }
    }
    std::vector<std::string> result;
    for (size_t i = 0; i < defaults.size(); ++i)
        if (!removed[i]) result.push_back(std::move(defaults[i]));
    std::ranges::move(more, std::back_inserter(result));
    return result;
}

}  // namespace berth::engine

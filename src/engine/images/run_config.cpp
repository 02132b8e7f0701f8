// SPDX-License-Identifier: Apache-2.0
#include "engine/images/run_config.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

api::StringSet set_of(const std::map<std::string, json::Value>& from) {
    api::StringSet result;
    for (const auto& [name, value] : from) result.emplace(name, api::Empty{});
    return result;
}

std::map<std::string, json::Value> map_of(const api::StringSet& from) {
    std::map<std::string, json::Value> result;
    for (const auto& [name, value] : from) result.emplace(name, json::Object());
    return result;
}

std::optional<api::HealthConfig> health_of(const std::optional<spec::Healthcheck>& from) {
    if (!from) return std::nullopt;
    api::HealthConfig health;
    health.Test = from->Test;
    health.Interval = from->Interval;
    health.Timeout = from->Timeout;
    health.StartPeriod = from->StartPeriod;
    health.StartInterval = from->StartInterval;
    health.Retries = from->Retries;
    return health;
}

std::optional<spec::Healthcheck> health_of(const std::optional<api::HealthConfig>& from) {
    if (!from) return std::nullopt;
    spec::Healthcheck health;
    health.Test = from->Test;
    health.Interval = from->Interval;
    health.Timeout = from->Timeout;
    health.StartPeriod = from->StartPeriod;
    health.StartInterval = from->StartInterval;
    health.Retries = from->Retries;
    return health;
}

}  // namespace

api::ImageRunConfig image_view_of(const spec::ImageRunConfig& config) {
    api::ImageRunConfig view;
    view.User = config.User;
    view.ExposedPorts = set_of(config.ExposedPorts);
    view.Env = config.Env;
    view.Entrypoint = config.Entrypoint.value_or(api::Strings());
    view.Cmd = config.Cmd.value_or(api::Strings());
    view.Volumes = set_of(config.Volumes);
    view.WorkingDir = config.WorkingDir;
    view.Labels = config.Labels;
    view.StopSignal = config.StopSignal;
    view.ArgsEscaped = config.ArgsEscaped;
    view.Healthcheck = health_of(config.Healthcheck_);
    view.OnBuild = config.OnBuild;
    view.Shell = config.Shell;
    return view;
}

spec::ImageRunConfig run_config_of(const api::ContainerConfig& config) {
    spec::ImageRunConfig run;
    run.User = config.User;
    run.ExposedPorts = map_of(config.ExposedPorts);
    run.Env = api::items(config.Env);
    run.Entrypoint = config.Entrypoint;
    run.Cmd = config.Cmd;
    run.Healthcheck_ = health_of(config.Healthcheck);
    run.ArgsEscaped = config.ArgsEscaped;
    if (config.Volumes) run.Volumes = map_of(*config.Volumes);
    run.WorkingDir = config.WorkingDir;
    run.OnBuild = api::items(config.OnBuild);
    run.Labels = api::items(config.Labels);
    run.StopSignal = config.StopSignal;
    run.StopTimeout = config.StopTimeout;
    run.Shell = config.Shell;
    return run;
}

api::ContainerConfig container_config_of(const spec::ImageRunConfig& run) {
    api::ContainerConfig config;
    config.User = run.User;
    config.ExposedPorts = set_of(run.ExposedPorts);
    if (!run.Env.empty()) config.Env = run.Env;
    config.Entrypoint = run.Entrypoint;
    config.Cmd = run.Cmd;
    config.Healthcheck = health_of(run.Healthcheck_);
    config.ArgsEscaped = run.ArgsEscaped;
    if (!run.Volumes.empty()) config.Volumes = set_of(run.Volumes);
    config.WorkingDir = run.WorkingDir;
    if (!run.OnBuild.empty()) config.OnBuild = run.OnBuild;
    if (!run.Labels.empty()) config.Labels = run.Labels;
    config.StopSignal = run.StopSignal;
    config.StopTimeout = run.StopTimeout;
    config.Shell = run.Shell;
    return config;
}

}  // namespace berth::engine

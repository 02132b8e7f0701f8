// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/strings.h"
#include "engine/containers/etc_files.h"
#include "engine/containers/log_plan.h"
#include "engine/containers/views.h"
#include "engine/oci/modes.h"
#include "engine/oci/security_options.h"

namespace berth::engine {
namespace {

std::string shown_time(int64_t time_ns) {
    return time_ns == 0 ? std::string(spec::api::kZeroTime) : rfc3339(time_ns);
}

spec::api::Health show_health(const Health& health) {
    spec::api::Health shown{.Status = std::string(to_string(health.status)),
                            .FailingStreak = health.failing_streak};
    shown.Log.emplace();
    for (const HealthProbe& probe : health.log)
        shown.Log->push_back({.Start = rfc3339(probe.start_ns),
                              .End = rfc3339(probe.end_ns),
                              .ExitCode = probe.exit_code,
                              .Output = probe.output});
    return shown;
}

spec::api::ContainerState show_state(const ContainerState& state) {
    spec::api::ContainerState shown;
    shown.Status = to_string(state.status);
    shown.Paused = state.status == ContainerStatus::paused;
    shown.Restarting = state.status == ContainerStatus::restarting;
    shown.Running = shown.Paused || shown.Restarting || state.status == ContainerStatus::running;
    shown.OOMKilled = state.oom_killed;
    shown.Dead = state.status == ContainerStatus::dead;
    shown.Pid = state.pid;
    shown.ExitCode = state.exit_code;
    shown.Error = state.error;
    shown.StartedAt = shown_time(state.started_ns);
    shown.FinishedAt = shown_time(state.finished_ns);
    if (state.health.status != HealthStatus::none) shown.Health_ = show_health(state.health);
    return shown;
}

/// What needs the store. Blocking.
struct StoredFacts {
    std::map<std::string, std::string> driver_data;
    std::optional<int64_t> size_rw, size_root;
};
StoredFacts read_store(store::Store& store, const std::string& id, const std::string& image_id, bool size) {
    StoredFacts facts;
    store::Snapshots& snapshots = store.snapshots();
    if (!snapshots.find(id)) return facts;
    facts.driver_data["ID"] = id;
    for (std::string_view option : snapshots.mount_plan(id).options) {
        size_t equals = option.find('=');
        if (equals == std::string_view::npos) continue;
        std::string_view key = option.substr(0, equals), value = option.substr(equals + 1);
        if (key == "lowerdir") facts.driver_data["LowerDir"] = value;
        if (key == "upperdir") facts.driver_data["UpperDir"] = value;
        if (key == "workdir") facts.driver_data["WorkDir"] = value;
    }
    if (size) {
        facts.size_rw = static_cast<int64_t>(snapshots.content_size(id));
        std::optional<Digest> digest = Digest::try_parse(image_id);
        std::optional<store::Image> image = digest ? store.find(*digest) : std::nullopt;
        facts.size_root = *facts.size_rw + static_cast<int64_t>(image ? image->size : 0);
    }
    return facts;
}

void show_paths(spec::api::ContainerInspect& shown, const Roster& roster, const ManagedContainer& container) {
    try {
        shown.LogPath = container_log_plan(container.record(), container.directory()).inspect_path;
    } catch (const Error&) {
        // Options that a start will refuse: there is no log.
    }
    if (container.state().started_ns == 0) return;
    std::string directory = container.directory();
    std::string_view joined = joined_container(container.record().host_config.NetworkMode);
    if (!joined.empty()) {
        bool is_ambiguous = false;
        if (ContainerPointer other = roster.containers.look_up(joined, is_ambiguous))
            directory = other->directory();
    }
    EtcFiles files = etc_files(directory);
    shown.HostnamePath = files.hostname;
    shown.HostsPath = files.hosts;
    shown.ResolvConfPath = files.resolv_conf;
}

}  // namespace

spec::api::MountPoint show_mount(const MountPoint& mount) {
    return {.Type = mount.type,
            .Name = mount.name,
            .Source = mount.source,
            .Destination = mount.destination,
            .Driver = mount.driver,
            .Mode = mount.mode,
            .RW = mount.rw,
            .Propagation = mount.propagation};
}

spec::api::NetworkSettings shown_network_settings(const Roster& roster, const ManagedContainer& container) {
    const Sandbox* sandbox = container.is_running() ? container.sandbox.get() : nullptr;
    return roster.services.sandboxes.settings(container.record(), sandbox, container.state().pid);
}

async::Task<spec::api::ContainerInspect> inspect_container(RosterPointer roster, ContainerPointer container,
                                                           bool size) {
    store::Store* store = &roster->services.images.store();
    auto read = [store, id = container->id(), image = container->record().image_id, size] {
        return read_store(*store, id, image, size);
    };
    StoredFacts facts = co_await async::run_blocking(std::move(read));
    const ContainerRecord& record = container->record();
    spec::api::ContainerInspect shown;
    shown.Id = record.id;
    shown.Created = rfc3339(record.created_ns);
    shown.Path = record.path;
    shown.Args = record.args;
    shown.State = show_state(container->state());
    shown.Image = record.image_id;
    show_paths(shown, *roster, *container);
    shown.Name = "/" + record.name;
    shown.RestartCount = container->state().restart_count;
    shown.Driver = roster->config->storage_driver;
    SecurityOptions security = parse_security_options(spec::api::items(record.host_config.SecurityOpt));
    shown.AppArmorProfile = apparmor_profile(security, record.host_config.Privileged, roster->services.host);
    SelinuxLabels labels = selinux_labels(security, record.id, record.host_config.Privileged, *roster->config,
                                          roster->services.host);
    shown.MountLabel = labels.mount;
    shown.ProcessLabel = labels.process;
    if (!container->exec_ids.empty()) shown.ExecIDs = container->exec_ids;
    shown.HostConfig_ = record.host_config;
    shown.GraphDriver_.Name = shown.Driver;
    shown.GraphDriver_.Data = std::move(facts.driver_data);
    shown.SizeRw = facts.size_rw;
    shown.SizeRootFs = facts.size_root;
    for (const MountPoint& mount : record.mounts) shown.Mounts.push_back(show_mount(mount));
    shown.Config = record.config;
    shown.NetworkSettings_ = shown_network_settings(*roster, *container);
    co_return shown;
}

}  // namespace berth::engine

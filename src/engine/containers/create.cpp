// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/create.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/connect.h"
#include "engine/containers/names.h"
#include "engine/files/working_folder.h"
#include "engine/logs/log_options.h"
#include "engine/networks/service_settings.h"
#include "engine/oci/create_rules.h"
#include "engine/system/events.h"
#include "engine/volumes/copy_up.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// Given back unless it is kept.
class NameReservation {
  public:
    NameReservation(RosterPointer roster, std::string id) : roster_(std::move(roster)), id_(std::move(id)) {}
    NameReservation(const NameReservation&) = delete;
    NameReservation& operator=(const NameReservation&) = delete;
    ~NameReservation() {
        if (!name_.empty()) roster_->containers.release_name(name_, id_);
    }

    /// The name that was given, or one that is made up.
    const std::string& take(std::string_view given) {
        if (!given.empty()) {
            std::string wanted = checked_container_name(given);
            reserve_name(*roster_, wanted, id_);
            return name_ = std::move(wanted);
        }
        for (int attempt = 0; attempt < 16; ++attempt) {
            std::string wanted = made_up_name(parse_number<uint64_t>(random_hex(8), 16).value_or(0), attempt);
            if (roster_->containers.reserve_name(wanted, id_)) return name_ = std::move(wanted);
        }
        std::string wanted = id_.substr(0, 12);
        reserve_name(*roster_, wanted, id_);
        return name_ = std::move(wanted);
    }
    void keep() { name_.clear(); }

  private:
    RosterPointer roster_;
    std::string id_, name_;
};

/// A new id whose short form no container has (and which isn't a number, which would look like a signal or a
/// size to people).
std::string new_id(const Roster& roster) {
    while (true) {
        std::string id = random_hex(32);
        std::string_view short_id = std::string_view(id).substr(0, 12);
        bool is_ambiguous = false;
        if (parse_number<uint64_t>(short_id)) continue;
        if (!roster.containers.look_up(short_id, is_ambiguous) && !is_ambiguous) return id;
    }
}

/// The daemon's options count for its default driver alone.
void set_log_defaults(const DaemonConfig& daemon, spec::api::LogConfig& log) {
    if (log.Type.empty()) log.Type = daemon.log_driver;
    if (!log.Config) log.Config.emplace();
    if (log.Type == daemon.log_driver)
        log.Config->insert(daemon.log_options.begin(), daemon.log_options.end());
    validate_log_options(log.Type, *log.Config);
}

CreatePlan plan_container(Roster& roster, const std::string& id, const ImageFacts* image,
                          spec::api::ContainerCreateRequest request) {
    CreateFacts facts{.daemon = *roster.config, .host = roster.services.host, .id = id};
    if (image != nullptr) facts.image = &image->config.config;
    facts.container_id = [&](std::string_view reference) -> std::optional<std::string> {
        bool is_ambiguous = false;
        ContainerPointer found = roster.containers.look_up(reference, is_ambiguous);
        return found ? std::optional(found->id()) : std::nullopt;
    };
    CreatePlan plan = apply_create_rules(facts, std::move(request));
    plan.networking = configured_networks(roster, plan.config, plan.host_config, std::move(plan.networking));
    set_log_defaults(*roster.config, plan.host_config.LogConfig_);
    return plan;
}

ContainerRecord make_record(const std::string& id, const std::string& name, const ImageFacts* image,
                            CreatePlan plan) {
    ContainerRecord record;
    record.id = id;
    record.name = name;
    record.created_ns = now_ns();
    record.image = plan.config.Image;
    if (image != nullptr) record.image_id = image->image.id.text();
    record.config = std::move(plan.config);
    record.host_config = std::move(plan.host_config);
    record.networking = std::move(plan.networking);
    record.path = std::move(plan.path);
    record.args = std::move(plan.args);
    return record;
}

std::vector<MountPoint> plan_mounts(const Roster& roster, const ContainerRecord& record) {
    MountsRequest request{.config = record.config, .host = record.host_config};
    request.data_root = roster.config->data_root;
    request.volumes_from = [&](const std::string& reference) {
        return roster.get(reference)->record().mounts;
    };
    return resolve_mounts(request);
}

/// Blocking: the writable layer, the folder, and what empty volumes get from the image.
struct Materials {
    store::Snapshots* snapshots = nullptr;
    std::string id, directory, working_folder;
    std::optional<Digest> parent;
    store::SnapshotOptions options;
    std::vector<MountPoint> mounts;
    std::map<std::string, Volume> volumes;
};

void remove_materials(store::Snapshots& snapshots, const std::string& id, const std::string& directory) {
    try {
        if (snapshots.find(id)) snapshots.remove(id);
        sys::remove_tree_at(AT_FDCWD, directory);
    } catch (...) {
        log::warning("undoing container {}: {}", id, current_exception_message());
    }
}

void make_materials(const Materials& materials) {
    materials.snapshots->create(materials.id, materials.parent, materials.options);
    try {
        sys::check(mkdir(materials.directory.c_str(), 0710), [&] { return "mkdir " + materials.directory; });
        make_working_folder(materials.snapshots->mount_plan(materials.id), materials.working_folder);
        if (needs_populate(materials.mounts, materials.volumes))
            populate_volumes(materials.snapshots->mount_plan(materials.id), materials.mounts,
                             materials.volumes);
    } catch (...) {
        remove_materials(*materials.snapshots, materials.id, materials.directory);
        throw;
    }
}

std::map<std::string, Volume> volumes_of(const Volumes& volumes, const std::vector<MountPoint>& mounts) {
    std::map<std::string, Volume> found;
    for (const MountPoint& mount : mounts)
        if (mount.type == "volume")
            if (std::optional<Volume> volume = volumes.find(mount.name)) found.emplace(mount.name, *volume);
    return found;
}

/// From the volumes on: what is made stays only if all of it succeeds.
async::Task<void> build(RosterPointer roster, ContainerRecord* record, Materials materials) {
    std::exception_ptr failure;
    bool is_made = false;
    try {
        materials.mounts = record->mounts;
        materials.working_folder = record->config.WorkingDir;
        materials.volumes = volumes_of(roster->services.volumes, record->mounts);
        auto work = [&materials] { make_materials(materials); };
        co_await async::run_blocking(std::move(work));
        is_made = true;
        ContainerState state;
        co_await roster->write_new(*record, state);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    if (is_made) {
        auto undo = [&materials] {
            remove_materials(*materials.snapshots, materials.id, materials.directory);
        };
        co_await async::run_blocking(std::move(undo));
    }
    std::rethrow_exception(failure);
}

async::Task<spec::api::CreateResponse> create(RosterPointer roster, std::string given_name,
                                              spec::api::ContainerCreateRequest request,
                                              std::optional<spec::Platform> platform) {
    std::string id = new_id(*roster);
    NameReservation reservation(roster, id);
    std::string name = reservation.take(given_name);
    std::shared_ptr<const ImageFacts> image;
    if (!request.Image.empty()) {
        std::string image_name = request.Image;
        image = co_await roster->services.images.resolve(std::move(image_name), std::move(platform));
    }
    std::map<std::string, std::string> own_labels = service_labels(spec::api::items(request.Labels));
    service_settings(own_labels);
    CreatePlan plan = plan_container(*roster, id, image.get(), std::move(request));
    spec::api::CreateResponse response{.Id = id, .Warnings = plan.warnings};
    Materials materials{.snapshots = &roster->services.images.store().snapshots(),
                        .id = id,
                        .directory = roster->directory_of(id)};
    if (image) materials.parent = image->image.top_chain_id();
    materials.options.quota_bytes = plan.quota_bytes;
    materials.options.is_volatile = plan.host_config.AutoRemove;
    ContainerRecord record = make_record(id, name, image.get(), std::move(plan));
    record.service_labels = std::move(own_labels);
    record.mounts = plan_mounts(*roster, record);

    std::vector<MountPoint> wanted = record.mounts;
    record.mounts = co_await roster->services.volumes.acquire(id, std::move(wanted));
    std::exception_ptr failure;
    try {
        co_await build(roster, &record, std::move(materials));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await roster->services.volumes.release(id, true);
        std::rethrow_exception(failure);
    }
    ContainerPointer container = roster->make(std::move(record), {});
    roster->containers.add(container);
    reservation.keep();
    roster->publish(*container, "create");
    co_return response;
}

}  // namespace

void reserve_name(Roster& roster, const std::string& name, const std::string& id) {
    if (roster.containers.reserve_name(name, id)) return;
    throw make_error(
        ErrorKind::conflict,
        "Conflict. The container name \"/{}\" is already in use by container \"{}\". You have to "
        "remove (or rename) that container to be able to reuse that name.",
        name, roster.containers.holder(name).value_or(""));
}

async::Task<spec::api::CreateResponse> create_container(RosterPointer roster, std::string name,
                                                        spec::api::ContainerCreateRequest request,
                                                        std::optional<spec::Platform> platform) {
    auto response = std::make_shared<std::optional<spec::api::CreateResponse>>();
    async::Task<spec::api::CreateResponse> making =
        create(roster, std::move(name), std::move(request), std::move(platform));
    async::Task<void> storing = async::detail::store_result(std::move(making), response);
    co_await run_to_end(roster->services.control, std::move(storing));
    co_return std::move(**response);
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/volumes.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/byte_size.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/state/state_db.h"
#include "engine/system/events.h"
#include "engine/volumes/local_driver.h"
#include "engine/volumes/to_end.h"
#include "engine/volumes/volume_record.h"
#include "store/tree.h"
#include "sys/file.h"

namespace berth::engine {

using async::Task;

namespace {

constexpr std::string_view kLocal = "local";
constexpr size_t kAnonymousBytes = 32;

/// What a container holds.
struct Held {
    std::string name;
    bool is_anonymous = false;  ///< made for it, without a name of the user's
};

void check_driver(const VolumeCreate& request) {
    if (request.driver.empty() || request.driver == kLocal) return;
    throw make_error(ErrorKind::not_found,
                     "create {}: error looking up volume plugin {}: plugin {} not found", request.name,
                     request.driver, quote(request.driver));
}

}  // namespace

struct Volumes::State : std::enable_shared_from_this<Volumes::State> {
    using Pointer = std::shared_ptr<State>;

    State(async::Context& on, const DaemonConfig& config, StateDb& db, Events& bus)
        : control(on), database(db), events(bus), folder(config.data_root + "/volumes"), changes(on, 1) {}

    async::Context& control;
    StateDb& database;
    Events& events;
    const std::string folder;
    /// Whoever makes, removes, mounts or unmounts: one at a time.
    async::Semaphore changes;

    std::map<std::string, VolumeRecord> volumes;
    std::map<std::string, std::set<std::string>> users;   ///< of a volume: containers
    std::map<std::string, std::vector<Held>> held;        ///< of a container
    std::map<std::string, std::set<std::string>> mounts;  ///< of a volume: containers that run with it
    bool is_pruning = false;

    Volume volume(const VolumeRecord& record, const std::string& name) const {
        return {.name = name,
                .driver = record.driver,
                .mountpoint = fmt::format("{}/{}/_data", folder, name),
                .created_ns = record.created_ns,
                .labels = record.labels,
                .options = record.options};
    }
    std::optional<Volume> find(std::string_view name) const {
        auto found = volumes.find(std::string(name));
        if (found == volumes.end()) return std::nullopt;
        return volume(found->second, found->first);
    }
    bool is_used(const std::string& name) const {
        auto found = users.find(name);
        return found != users.end() && !found->second.empty();
    }
    void hold(const std::string& container, const MountPoint& mount) {
        users[mount.name].insert(container);
        held[container].push_back({mount.name, mount.spec.Source.empty()});
    }
    std::vector<Held> let_go(const std::string& container) {
        auto found = held.find(container);
        if (found == held.end()) return {};
        std::vector<Held> list = std::move(found->second);
        held.erase(found);
        for (const Held& one : list)
            if (auto set = users.find(one.name); set != users.end() && set->second.erase(container) > 0)
                if (set->second.empty()) users.erase(set);
        return list;
    }
    void publish(std::string action, const Volume& volume,
                 std::map<std::string, std::string> attributes = {}) {
        attributes.emplace("driver", volume.driver);
        events.publish("volume", std::move(action), volume.name, std::move(attributes));
    }

    VolumeRecord check(const VolumeCreate& request) const;
    uint32_t free_project() const;
    static Task<std::vector<Volume>> make(Pointer self, std::map<std::string, VolumeRecord> records);
    static Task<Volume> create(Pointer self, VolumeCreate request);
    static Task<std::string> drop(Pointer self, std::string name);
    static Task<uint64_t> remove(Pointer self, std::string name, bool force, bool measure);
    static Task<VolumePruned> prune(Pointer self, spec::api::Filters filters);
    static Task<std::vector<MountPoint>> acquire(Pointer self, std::string container,
                                                 std::vector<MountPoint> list);
    static Task<bool> release(Pointer self, std::string container, bool remove_anonymous);
    static Task<bool> mounted(Pointer self, std::string container, std::vector<MountPoint> list);
    static Task<bool> unmounted(Pointer self, std::string container);
};

// --- making
// --------------------------------------------------------------------------------------------------

/// What is kept of a volume that doesn't exist yet.
VolumeRecord Volumes::State::check(const VolumeCreate& request) const {
    check_volume_name(request.name);
    check_volume_options(request.options);
    VolumeRecord record{.created_ns = now_ns(), .labels = request.labels, .options = request.options};
    if (auto size = request.options.find("size"); size != request.options.end()) {
        record.quota_bytes = static_cast<uint64_t>(parse_byte_size(size->second).value_or(0));
        if (record.quota_bytes > 0) record.project = free_project();
    }
    return record;
}

/// Projects of snapshots have other numbers (store/overlay_names.h).
uint32_t Volumes::State::free_project() const {
    uint32_t last = 0x43000000;
    for (const auto& [name, record] : volumes) last = std::max(last, record.project);
    return last + 1;
}

/// Folders, then rows, then memory. The caller holds `changes`.
Task<std::vector<Volume>> Volumes::State::make(Pointer self, std::map<std::string, VolumeRecord> records) {
    auto make_folders = [self, &records] {
        for (const auto& [name, record] : records)
            make_volume_folder(self->folder, name, record.project, record.quota_bytes);
    };
    co_await async::run_blocking(std::move(make_folders));
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& [name, record] : records) rows.emplace_back(name, encode_volume_record(record));
    // Where this fails, the folders are empty: the next start removes them, and a create takes them over.
    StateDb::Work write = [rows](db::Database& database) {
        for (const auto& [name, text] : rows)
            database.run("INSERT INTO volumes(name, record) VALUES(?, ?)", name, text);
    };
    co_await self->database.write(std::move(write));
    std::vector<Volume> made;
    for (const auto& [name, record] : records) {
        self->volumes.emplace(name, record);
        made.push_back(self->volume(record, name));
        self->publish("create", made.back());
    }
    co_return made;
}

Task<Volume> Volumes::State::create(Pointer self, VolumeCreate request) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    if (request.name.empty()) {
        request.name = random_hex(kAnonymousBytes);
        request.labels.emplace(kAnonymousLabel, "");
    }
    check_driver(request);
    // As with Docker, whatever options were given now.
    if (std::optional<Volume> present = self->find(request.name)) co_return *present;
    std::map<std::string, VolumeRecord> records;
    with_context([&] { return "create " + request.name; },
                 [&] { records.emplace(request.name, self->check(request)); });
    std::vector<Volume> made = co_await make(self, std::move(records));
    co_return made.front();
}

// --- removing
// ------------------------------------------------------------------------------------------------

/// The row goes, then the folder is out of the way: its name there, still to be deleted. A kill between the
/// two leaves content without a row, which the next start takes for a volume again. The caller holds
/// `changes`.
Task<std::string> Volumes::State::drop(Pointer self, std::string name) {
    StateDb::Work erase = [name](db::Database& database) {
        database.run("DELETE FROM volumes WHERE name = ?", name);
    };
    co_await self->database.write(std::move(erase));
    Volume volume = *self->find(name);
    self->volumes.erase(name);
    bool is_on_host = is_mounted_on_host(volume);
    auto move = [self, name, volume, is_on_host] {
        if (is_on_host) unmount_on_host(volume);
        return set_aside(self->folder, name);
    };
    std::string aside = co_await async::run_blocking(std::move(move));
    self->publish("destroy", volume);
    co_return aside;
}

/// Bytes that were reclaimed, where `measure`.
Task<uint64_t> Volumes::State::remove(Pointer self, std::string name, bool force, bool measure) {
    std::string aside;
    {
        async::Semaphore::Permit permit = co_await self->changes.acquire();
        if (!self->volumes.contains(name)) {
            if (force) co_return 0;
            throw make_error(ErrorKind::not_found, "get {}: no such volume", name);
        }
        if (self->is_used(name))
            throw make_error(ErrorKind::conflict, "remove {}: volume is in use - [{}]", name,
                             fmt::join(self->users[name], ", "));
        aside = co_await drop(self, name);
    }
    if (aside.empty()) co_return 0;
    auto erase = [self, aside, measure]() -> uint64_t {
        UniqueFd root = sys::open_file(self->folder, O_RDONLY | O_DIRECTORY);
        uint64_t size = measure ? store::disk_usage(root.get(), aside + "/_data") : 0;
        store::remove_tree(root.get(), aside);
        return size;
    };
    uint64_t size = co_await async::run_blocking(std::move(erase));
    co_return size;
}

Task<VolumePruned> Volumes::State::prune(Pointer self, spec::api::Filters filters) {
    bool all = filters.flag("all", false);
    VolumePruned result;
    std::vector<std::string> names;
    for (const auto& [name, record] : self->volumes) {
        bool is_wanted = !self->is_used(name) && record.options.empty() &&
                         (all || record.labels.contains(std::string(kAnonymousLabel))) &&
                         filters.labels("label", record.labels) && filters.no_labels("label!", record.labels);
        if (is_wanted) names.push_back(name);
    }
    for (const std::string& name : names) {
        std::string failure;
        try {
            result.reclaimed_bytes += co_await remove(self, name, false, true);
            result.deleted.push_back(name);
        } catch (const Error& error) {
            // Taken by a container meanwhile, or gone.
            failure = error.what();
        }
        if (!failure.empty()) log::warning("pruning volume {}: {}", name, failure);
    }
    self->events.publish("volume", "prune", "", {{"reclaimed", fmt::format("{}", result.reclaimed_bytes)}});
    co_return result;
}

// --- for containers
// ------------------------------------------------------------------------------------------

Task<std::vector<MountPoint>> Volumes::State::acquire(Pointer self, std::string container,
                                                      std::vector<MountPoint> list) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    std::map<std::string, VolumeRecord> records;
    for (MountPoint& mount : list) {
        if (mount.type != "volume") continue;
        VolumeCreate request{.name = mount.name, .driver = mount.driver};
        if (const auto& options = mount.spec.VolumeOptions_) {
            request.labels = options->Labels;
            if (options->DriverConfig) request.options = options->DriverConfig->Options;
        }
        if (request.name.empty()) {
            request.name = random_hex(kAnonymousBytes);
            request.labels.emplace(kAnonymousLabel, "");
        }
        check_driver(request);
        mount.name = request.name;
        mount.driver = kLocal;
        mount.source = fmt::format("{}/{}/_data", self->folder, mount.name);
        if (self->volumes.contains(request.name) || records.contains(request.name)) continue;
        with_context([&] { return "create " + request.name; },
                     [&] { records.emplace(request.name, self->check(request)); });
    }
    if (!records.empty()) (void)co_await make(self, std::move(records));
    for (const MountPoint& mount : list)
        if (mount.type == "volume") self->hold(container, mount);
    co_return list;
}

Task<bool> Volumes::State::release(Pointer self, std::string container, bool remove_anonymous) {
    std::vector<Held> list = self->let_go(container);
    for (const Held& one : list) {
        if (!remove_anonymous || !one.is_anonymous || self->is_used(one.name)) continue;
        std::string failure;
        try {
            (void)co_await remove(self, one.name, true, false);
        } catch (const Error& error) {
            // Taken by another container meanwhile.
            if (error.kind() != ErrorKind::conflict) failure = error.what();
        }
        if (!failure.empty())
            log::error("removing volume {} of container {}: {}", one.name, container, failure);
    }
    co_return true;
}

Task<bool> Volumes::State::mounted(Pointer self, std::string container, std::vector<MountPoint> list) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    std::vector<Volume> fresh;
    for (const MountPoint& mount : list) {
        std::optional<Volume> volume = mount.type == "volume" ? self->find(mount.name) : std::nullopt;
        if (!volume || !is_mounted_on_host(*volume)) continue;
        auto is_same = [&](const Volume& other) { return other.name == volume->name; };
        bool is_new = !self->mounts.contains(volume->name) && std::ranges::none_of(fresh, is_same);
        if (is_new) fresh.push_back(*volume);
    }
    if (!fresh.empty()) {
        auto mount_all = [&fresh] {
            for (size_t i = 0; i < fresh.size(); ++i) {
                try {
                    mount_on_host(fresh[i]);
                } catch (const Error&) {
                    while (i > 0) unmount_on_host(fresh[--i]);
                    throw;
                }
            }
        };
        co_await async::run_blocking(std::move(mount_all));
    }
    for (const MountPoint& mount : list) {
        std::optional<Volume> volume = mount.type == "volume" ? self->find(mount.name) : std::nullopt;
        if (!volume) continue;
        self->mounts[volume->name].insert(container);
        self->publish("mount", *volume,
                      {{"container", container},
                       {"destination", mount.destination},
                       {"propagation", mount.propagation},
                       {"read/write", mount.rw ? "true" : "false"}});
    }
    co_return true;
}

Task<bool> Volumes::State::unmounted(Pointer self, std::string container) {
    async::Semaphore::Permit permit = co_await self->changes.acquire();
    std::vector<Volume> unused;
    for (auto at = self->mounts.begin(); at != self->mounts.end();) {
        bool was_there = at->second.erase(container) > 0;
        std::optional<Volume> volume = self->find(at->first);
        if (was_there && volume) {
            self->publish("unmount", *volume, {{"container", container}});
            if (at->second.empty() && is_mounted_on_host(*volume)) unused.push_back(*volume);
        }
        at = at->second.empty() ? self->mounts.erase(at) : std::next(at);
    }
    if (unused.empty()) co_return true;
    auto unmount_all = [&unused] {
        for (const Volume& volume : unused) unmount_on_host(volume);
    };
    co_await async::run_blocking(std::move(unmount_all));
    co_return true;
}

// --- the service
// ---------------------------------------------------------------------------------------------

Volumes::Volumes(async::Context& control, const DaemonConfig& config, StateDb& database, Events& events)
    : state_(std::make_shared<State>(control, config, database, events)) {
    database.read([&](db::Database& on) {
        db::Statement rows = on.prepare("SELECT name, record FROM volumes");
        while (rows.step()) state_->volumes.emplace(rows.text(0), decode_volume_record(rows.text(1)));
    });
    std::map<std::string, Volume> known;
    for (const auto& [name, record] : state_->volumes) known.emplace(name, state_->volume(record, name));
    for (const Volume& found : recover_folders(state_->folder, known)) {
        VolumeRecord record{.created_ns = found.created_ns, .labels = {}, .options = {}};
        database.write_later("taking over volume " + found.name,
                             [name = found.name, text = encode_volume_record(record)](db::Database& on) {
                                 on.run("INSERT OR IGNORE INTO volumes(name, record) VALUES(?, ?)", name,
                                        text);
                             });
        state_->volumes.emplace(found.name, std::move(record));
    }
}

Volumes::~Volumes() = default;

Task<Volume> Volumes::create(VolumeCreate request) {
    Task<Volume> work = State::create(state_, std::move(request));
    return to_end(state_->control, std::move(work));
}

std::optional<Volume> Volumes::find(std::string_view name) const {
    return state_->find(name);
}

Volume Volumes::inspect(std::string_view name) const {
    std::optional<Volume> found = state_->find(name);
    if (!found) throw make_error(ErrorKind::not_found, "get {}: no such volume", name);
    return std::move(*found);
}

std::vector<Volume> Volumes::list(const spec::api::Filters& filters) const {
    filters.validate({"dangling", "name", "driver", "label"});
    std::optional<bool> dangling;
    if (filters.contains("dangling")) dangling = filters.flag("dangling", false);
    std::vector<Volume> result;
    for (const auto& [name, record] : state_->volumes) {
        if (dangling && *dangling == state_->is_used(name)) continue;
        if (!filters.exact("driver", record.driver) || !filters.pattern("name", name) ||
            !filters.labels("label", record.labels))
            continue;
        result.push_back(state_->volume(record, name));
    }
    return result;
}

Task<void> Volumes::remove(std::string name, bool force) {
    Task<uint64_t> work = State::remove(state_, std::move(name), force, false);
    (void)co_await to_end(state_->control, std::move(work));
}

Task<VolumePruned> Volumes::prune(spec::api::Filters filters) {
    filters.validate({"label", "label!", "all"});
    std::shared_ptr<State> state = state_;
    if (std::exchange(state->is_pruning, true))
        throw Error(ErrorKind::conflict, "a prune operation is already running");
    std::shared_ptr<void> running(nullptr, [state](void*) { state->is_pruning = false; });
    Task<VolumePruned> work = State::prune(state, std::move(filters));
    VolumePruned result = co_await to_end(state->control, std::move(work));
    co_return result;
}

Task<std::vector<VolumeUsage>> Volumes::usage() {
    std::shared_ptr<State> state = state_;
    std::vector<VolumeUsage> result;
    for (const auto& [name, record] : state->volumes) {
        auto users = state->users.find(name);
        int64_t references = users == state->users.end() ? 0 : static_cast<int64_t>(users->second.size());
        result.push_back({.volume = state->volume(record, name), .references = references});
    }
    auto measure = [state, &result] {
        for (VolumeUsage& one : result) {
            if (one.volume.needs_mount()) continue;
            try {
                one.size = static_cast<int64_t>(volume_size(state->folder, one.volume.name));
            } catch (const Error& error) {
                log::debug("size of volume {}: {}", one.volume.name, error.what());
            }
        }
    };
    co_await async::run_blocking(std::move(measure));
    co_return result;
}

Task<std::vector<MountPoint>> Volumes::acquire(std::string container_id, std::vector<MountPoint> mounts) {
    Task<std::vector<MountPoint>> work = State::acquire(state_, std::move(container_id), std::move(mounts));
    return to_end(state_->control, std::move(work));
}

void Volumes::restore(const std::string& container_id, const std::vector<MountPoint>& mounts,
                      bool is_running) {
    for (const MountPoint& mount : mounts) {
        if (mount.type != "volume") continue;
        state_->hold(container_id, mount);
        if (is_running) state_->mounts[mount.name].insert(container_id);
    }
}

void Volumes::finish_restore() {
    for (const auto& [name, record] : state_->volumes) {
        Volume volume = state_->volume(record, name);
        if (!is_mounted_on_host(volume) || state_->mounts.contains(name)) continue;
        try {
            unmount_on_host(volume);
        } catch (const Error& error) {
            log::error("volume {}: {}", name, error.what());
        }
    }
}

Task<void> Volumes::release(std::string container_id, bool remove_anonymous) {
    Task<bool> work = State::release(state_, std::move(container_id), remove_anonymous);
    (void)co_await to_end(state_->control, std::move(work));
}

Task<void> Volumes::mounted(std::string container_id, std::vector<MountPoint> mounts) {
    Task<bool> work = State::mounted(state_, std::move(container_id), std::move(mounts));
    (void)co_await to_end(state_->control, std::move(work));
}

Task<void> Volumes::unmounted(std::string container_id) {
    Task<bool> work = State::unmounted(state_, std::move(container_id));
    (void)co_await to_end(state_->control, std::move(work));
}

}  // namespace berth::engine

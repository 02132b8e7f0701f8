// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/recover.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/bundle.h"
#include "engine/containers/exit.h"
#include "engine/containers/health.h"
#include "engine/containers/log_plan.h"
#include "engine/containers/recover_networks.h"
#include "engine/containers/remove.h"
#include "engine/containers/start.h"
#include "engine/logs/forwarding.h"
#include "engine/state/state_db.h"
#include "engine/volumes/prepare.h"
#include "shim/client.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// How long the daemon's start waits for shims.
constexpr std::chrono::seconds kPatience{5};

/// What is on disk, read in one go on the pool.
struct Found {
    struct Row {
        ContainerRecord record;
        ContainerState state;
    };
    std::vector<Row> rows;
    std::set<std::string> snapshots, folders, bundles;
    KeptNetworks networks;
    std::string boot_id;
    bool is_same_boot = false;
};

bool is_id(std::string_view name) {
    return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::set<std::string> ids_in(const std::string& folder) {
    std::set<std::string> ids;
    sys::make_dirs(folder, 0711);
    UniqueFd directory = sys::open_file(folder, O_RDONLY | O_DIRECTORY);
    for (std::string& name : sys::list_dir(directory.get()))
        if (is_id(name)) ids.insert(std::move(name));
    return ids;
}

void read_rows(Found& found, db::Database& database) {
    db::Statement rows = database.prepare("SELECT id, record, state FROM containers");
    while (rows.step()) {
        try {
            found.rows.push_back({decode_record(rows.text(1)), decode_state(rows.text(2))});
        } catch (const std::exception& error) {
            log::error("the record of container {} can't be read, it is left alone: {}", rows.text(0),
                       error.what());
            // Nothing of it is taken for remains.
            found.rows.push_back({});
            found.rows.back().record.id = rows.text(0);
        }
    }
    db::Statement boot = database.prepare("SELECT value FROM meta WHERE key = 'boot_id'");
    found.is_same_boot = boot.step() && boot.text(0) == found.boot_id;
}

Found read_all(const RosterPointer& roster) {
    Found found;
    found.boot_id = trim(sys::read_file("/proc/sys/kernel/random/boot_id"));
    roster->services.database.read([&](db::Database& database) { read_rows(found, database); });
    for (const store::SnapshotInfo& snapshot : roster->services.images.store().snapshots().list())
        if (is_id(snapshot.name)) found.snapshots.insert(snapshot.name);
    found.folders = ids_in(roster->config->data_root + "/containers");
    found.bundles = ids_in(roster->config->exec_root + "/c");
    if (found.is_same_boot) found.networks = read_networks(roster->config->exec_root + "/c", found.bundles);
    if (!found.is_same_boot) sys::remove_tree_at(AT_FDCWD, roster->config->exec_root + "/runtime");
    clean_mount_folder(roster->mounts_folder());
    return found;
}

/// What a creation or a removal that was cut short left: nothing has their ids any more.
struct Strays {
    std::vector<std::string> snapshots, folders, bundles;
    bool is_same_boot = false;
};

Strays find_strays(const Found& found) {
    std::set<std::string> known;
    for (const Found::Row& row : found.rows) known.insert(row.record.id);
    auto unknown = [&](const std::set<std::string>& ids) {
        std::vector<std::string> strays;
        std::ranges::set_difference(ids, known, std::back_inserter(strays));
        return strays;
    };
    return {.snapshots = unknown(found.snapshots),
            .folders = unknown(found.folders),
            .bundles = unknown(found.bundles),
            .is_same_boot = found.is_same_boot};
}

void end_stray_shim(const std::string& bundle) {
    UniqueFd directory = sys::open_file(bundle, O_RDONLY | O_DIRECTORY);
    bool is_gone = false;
    try {
        shim::Client::connect(directory.get()).shutdown();
    } catch (const Error&) {
        is_gone = true;
    }
    // Without options there never was a shim.
    if (is_gone && sys::try_open_at(directory.get(), "shim.json", O_RDONLY)) shim::recover(directory.get());
}

/// Blocking.
void remove_strays(Roster& roster, const Strays& strays) {
    store::Snapshots& snapshots = roster.services.images.store().snapshots();
    auto attempt = [](const std::string& what, auto work) {
        try {
            work();
        } catch (const Error& error) {
            log::warning("{}: {}", what, error.what());
        }
    };
    for (const std::string& id : strays.bundles)
        attempt(id, [&] {
            if (strays.is_same_boot) end_stray_shim(roster.bundle_of(id));
            remove_bundle(roster.bundle_of(id));
        });
    for (const std::string& id : strays.snapshots) attempt("snapshot " + id, [&] { snapshots.remove(id); });
    for (const std::string& id : strays.folders)
        attempt(id, [&] { sys::remove_tree_at(AT_FDCWD, roster.directory_of(id)); });
    if (!strays.snapshots.empty()) attempt("layers", [&] { snapshots.collect(); });
}

async::Task<void> remove_strays_in_background(RosterPointer roster, Strays strays) {
    auto work = [&] { remove_strays(*roster, strays); };
    co_await async::run_blocking(std::move(work));
}

int64_t modified_ns(const std::string& path) {
    struct stat status{};
    if (stat(path.c_str(), &status) != 0) return now_ns();
    return int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

/// A start that nobody had heard of: config.json was written just before it.
void adopt_start(const ManagedContainer& container, ContainerState& state) {
    if (state.status == ContainerStatus::running || state.status == ContainerStatus::paused) return;
    state.started_ns = modified_ns(container.bundle() + "/config.json");
    state.generation += 1;
    state.exit_code = 0;
    state.error.clear();
    state.status = ContainerStatus::running;
    if (has_healthcheck(container.record())) state.health.status = HealthStatus::starting;
}

/// As an exit that the daemon saw: policies heed it, see start_wanted().
void show_exit(ManagedContainer& container, const shim::ExitRecord& exit) {
    ContainerState state = container.state();
    bool restarts = wants_restart(container.record().host_config.RestartPolicy_, exit.code,
                                  state.stopped_by_user, state.restart_count);
    if (restarts) ++state.restart_count;
    state.status = restarts ? ContainerStatus::restarting : ContainerStatus::exited;
    state.pid = 0;
    state.exit_code = exit.code;
    state.oom_killed = exit.oom;
    state.finished_ns = exit.time_ns != 0 ? exit.time_ns : now_ns();
    if (!exit.error.empty()) state.error = exit.error;
    container.last_exit.exit_code = exit.code;
    container.set_state(state);
}

shim::ExitRecord lost_exit(std::string why) {
    shim::ExitRecord exit;
    exit.code = 255;
    exit.time_ns = now_ns();
    exit.started = true;
    exit.error = std::move(why);
    return exit;
}

/// Nothing: a shim that is just dying could still be connected to.
std::optional<shim::ExitRecord> read_dead_once(int bundle, bool is_same_boot) {
    std::optional<shim::ExitRecord> exit = shim::read_exit(bundle);
    if (!is_same_boot) return exit;
    // Even with a record the shim may have died before it had cleaned up.
    std::optional<shim::ExitRecord> found = shim::recover(bundle);
    return exit ? exit : found;
}

/// Blocking.
shim::ExitRecord read_dead(const std::string& bundle, bool is_same_boot) {
    try {
        UniqueFd directory = sys::open_file(bundle, O_RDONLY | O_DIRECTORY);
        int attempts = is_same_boot ? 100 : 1;
        for (int attempt = 0; attempt < attempts; ++attempt) {
            if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            if (std::optional<shim::ExitRecord> exit = read_dead_once(directory.get(), is_same_boot))
                return *exit;
        }
    } catch (const Error& error) {
        // Without shim.json no shim was ever there.
        if (error.kind() != ErrorKind::not_found) log::warning("{}: {}", bundle, error.what());
    }
    shim::ExitRecord none = lost_exit(is_same_boot ? "" : "the machine was restarted");
    none.started = false;
    return none;
}

/// The shim is gone.
async::Task<void> recover_dead(RosterPointer roster, ContainerPointer container, bool is_same_boot) {
    std::string bundle = container->bundle();
    auto read = [bundle, is_same_boot] { return read_dead(bundle, is_same_boot); };
    shim::ExitRecord exit = co_await async::run_blocking(std::move(read));
    bool was_running = container->is_running();
    bool is_news = exit.started && exit.time_ns != container->state().finished_ns;
    if (was_running || is_news) {
        ContainerState state = container->state();
        adopt_start(*container, state);
        container->set_state(state);
        show_exit(*container, exit);
        co_await roster->write_state(container->id(), container->state());
    }
    auto clean = [bundle] { remove_bundle(bundle); };
    co_await async::run_blocking(std::move(clean));
}

/// What a shim told before it was known what its container is.
struct Early {
    std::vector<json::Object> events;
    bool has_ended = false;
};

shim::AsyncClient::Listener early_listener(std::shared_ptr<Early> early) {
    shim::AsyncClient::Listener listener;
    listener.event = [early](const json::Object& event) { early->events.push_back(event); };
    listener.ended = [early] { early->has_ended = true; };
    return listener;
}

/// From now on the shim's words are heeded; the early ones first.
void listen(const RosterPointer& roster, const ContainerPointer& container, const std::shared_ptr<Life>& life,
            const Early& early) {
    shim::AsyncClient::Listener listener = shim_listener(roster, container, life);
    life->shim->set_listener(listener);
    for (const json::Object& event : early.events) listener.event(event);
    if (early.has_ended) listener.ended();
}

async::Task<void> adopt(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                        const json::Object& answer, const Early& early) {
    ContainerState state = container->state();
    int64_t generation = state.generation;
    adopt_start(*container, state);
    life->generation = state.generation;
    auto text = [&](std::string_view key) {
        const json::Value* value = answer.if_contains(key);
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    if (const json::Value* pid = answer.if_contains("pid")) state.pid = pid->to_number<int>();
    bool is_paused = text("status") == "paused";
    co_await adopt_network(roster, container, life->shim, state);
    bool changes = generation != state.generation || is_paused != (state.status == ContainerStatus::paused) ||
                   state.pid != container->state().pid;
    state.status = is_paused ? ContainerStatus::paused : ContainerStatus::running;
    container->set_state(state);
    container->attach_life(life);
    listen(roster, container, life, early);
    if (changes) co_await roster->write_state(container->id(), state);
}

/// The container waits for a start that never came, or the connection broke: nothing stays of it.
async::Task<void> undo_start(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                             const Early& early) {
    container->life = life;
    life->exit_seen = true;
    life->exit_recorded.set();
    listen(roster, container, life, early);
    try {
        co_await life->shim->remove(true);
    } catch (const Error&) {
        // It went by itself.
    }
    co_await life->released.wait();
}

async::Task<void> recover_living(RosterPointer roster, ContainerPointer container) {
    std::shared_ptr<Life> life = roster->make_life(container->state().generation);
    auto early = std::make_shared<Early>();
    json::Object answer;
    bool is_gone = false;
    try {
        UniqueFd directory = sys::open_file(container->bundle(), O_RDONLY | O_DIRECTORY);
        shim::AsyncClient::Listener listener = early_listener(early);
        life->shim =
            shim::AsyncClient::connect(roster->services.control, directory.get(), std::move(listener));
        answer = co_await life->shim->subscribe();
    } catch (const Error& error) {
        is_gone = true;
    }
    if (is_gone) {
        life->shim = nullptr;
        co_await recover_dead(roster, container, true);
        co_return;
    }
    const json::Value* exit = answer.if_contains("exit");
    const json::Value* status = answer.if_contains("status");
    if (exit != nullptr && exit->is_object()) {
        shim::ExitRecord record = json::decode<shim::ExitRecord>(*exit);
        life->exit_seen = true;
        container->life = life;
        listen(roster, container, life, *early);
        if (container->is_running() || (record.started && record.time_ns != container->state().finished_ns)) {
            ContainerState state = container->state();
            adopt_start(*container, state);
            container->set_state(state);
            show_exit(*container, record);
            co_await roster->write_state(container->id(), container->state());
        }
        life->exit_recorded.set();
    } else if (status != nullptr && status->is_string() && status->get_string() == "created") {
        co_await undo_start(roster, container, life, *early);
        if (container->is_running()) show_exit(*container, lost_exit("it was never started"));
    } else {
        co_await adopt(roster, container, life, answer, *early);
    }
}

async::Task<void> recover_one(RosterPointer roster, ContainerPointer container, bool has_bundle,
                              bool has_snapshot, bool is_same_boot) {
    if (has_bundle && is_same_boot) {
        co_await recover_living(roster, container);
    } else if (has_bundle) {
        co_await recover_dead(roster, container, false);
    } else if (container->is_running()) {
        show_exit(*container, lost_exit(is_same_boot ? "nothing is left that tells how it ended"
                                                     : "the machine was restarted"));
        co_await roster->write_state(container->id(), container->state());
    }
    if (has_snapshot || container->is_running()) co_return;
    if (std::shared_ptr<Life> life = container->life) co_await life->released.wait();
    roster->services.volumes.restore(container->id(), container->record().mounts, false);
    co_await finish_removal(roster, container, container->record().host_config.AutoRemove);
}

void enter(const RosterPointer& roster, Found& found) {
    for (Found::Row& row : found.rows) {
        if (row.record.name.empty()) continue;
        if (!row.record.name.empty()) roster->containers.reserve_name(row.record.name, row.record.id);
        roster->containers.add(roster->make(std::move(row.record), std::move(row.state)));
    }
}

/// A log that was not sent to its end goes on, whether its container runs or not.
void forward_log(Roster& roster, const ManagedContainer& container) {
    try {
        std::optional<Forwarder::Setup> setup = forwarding_setup(container.record(), container.directory());
        if (!setup || container.state().started_ns == 0) return;
        roster.services.forwarding.started(container.id(), std::move(*setup));
        if (!container.is_running()) roster.services.forwarding.ended(container.id());
    } catch (const Error& error) {
        log::warning("the log of container {}: {}", container.id(), error.what());
    }
}

/// What goes on beside a container whose state is known.
void resume_services(const RosterPointer& roster, const ContainerPointer& container) {
    forward_log(*roster, *container);
    if (container->is_running())
        watch_health(roster, container);
    else if (container->record().host_config.AutoRemove)
        remove_soon(roster, container);
}

/// One container's recovery. It is late where the daemon went on without it, by the state that the database
/// has.
struct Recovery {
    ContainerPointer container;
    bool has_bundle = false, has_snapshot = false, is_same_boot = false;
    bool is_done = false, is_late = false;
};

/// In the container's queue: what users ask of it waits.
async::Task<void> recover_in_queue(RosterPointer roster, std::shared_ptr<Recovery> recovery) {
    ContainerPointer container = recovery->container;
    try {
        co_await recover_one(roster, container, recovery->has_bundle, recovery->has_snapshot,
                             recovery->is_same_boot);
    } catch (...) {
        log::error("recovering container {}: {}", container->id(), current_exception_message());
    }
    recovery->is_done = true;
    if (!container->is_running()) co_await forget_network(roster, container);
    if (!recovery->is_late) co_return;
    log::info("container {} is {} after all", container->id(), to_string(container->state().status));
    if (!container->is_running()) co_await release_resources(roster, container);
    if (!container->is_removed) resume_services(roster, container);
}

/// A shim that doesn't answer (it may wait for a file server that is gone) holds up its container alone.
async::Task<void> recover_all(RosterPointer roster, std::vector<std::shared_ptr<Recovery>> recoveries) {
    std::vector<async::Task<void>> tasks;
    for (const auto& recovery : recoveries)
        tasks.push_back(recovery->container->operations.run(recover_in_queue(roster, recovery)));
    try {
        async::Task<void> all = async::all_of(std::move(tasks));
        co_await async::with_timeout(kPatience, "recovering containers", std::move(all));
    } catch (const Error& error) {
        log::warning("{}", error.what());
    }
    for (const auto& recovery : recoveries) {
        if (recovery->is_done) continue;
        recovery->is_late = true;
        ContainerPointer container = recovery->container;
        log::warning("the shim of container {} does not answer: shown as it was last known", container->id());
        if (container->is_running()) co_await show_network(roster, container);
    }
}

/// What shareable containers had as /dev/shm, of those that don't run any more.
async::Task<void> release_shared_memories(RosterPointer roster) {
    std::vector<std::string> running;
    for (const ContainerPointer& container : roster->containers.all())
        if (container->is_running()) running.push_back(container->id());
    std::string folder = roster->config->exec_root + "/shm";
    auto work = [&] {
        for (const std::string& id : ids_in(folder))
            if (std::ranges::find(running, id) == running.end()) release_shared_memory(folder + "/" + id);
    };
    co_await async::run_blocking(std::move(work));
}

}  // namespace

async::Task<void> recover_containers(RosterPointer roster) {
    auto read = [roster] { return read_all(roster); };
    Found found = co_await async::run_blocking(std::move(read));
    std::set<std::string> snapshots = found.snapshots, bundles = found.bundles;
    roster->services.control.spawn("removing strays",
                                   remove_strays_in_background(roster, find_strays(found)));
    enter(roster, found);
    claim_networks(roster, std::move(found.networks));

    std::vector<std::shared_ptr<Recovery>> recoveries;
    for (const ContainerPointer& container : roster->containers.all())
        recoveries.push_back(std::make_shared<Recovery>(Recovery{
            .container = container,
            .has_bundle = bundles.contains(container->id()),
            .has_snapshot = snapshots.contains(container->id()),
            .is_same_boot = found.is_same_boot,
        }));
    std::vector<std::shared_ptr<Recovery>> all = recoveries;
    co_await recover_all(roster, std::move(all));
    co_await restore_networks(roster, kPatience);
    for (const ContainerPointer& container : roster->containers.all())
        roster->services.volumes.restore(container->id(), container->record().mounts,
                                         container->is_running());
    roster->services.volumes.finish_restore();
    co_await release_shared_memories(roster);
    StateDb::Work note = [boot_id = found.boot_id](db::Database& database) {
        database.run("INSERT OR REPLACE INTO meta(key, value) VALUES ('boot_id', ?)", boot_id);
    };
    // On a full disk the daemon has to come up, so that something can be removed.
    if (!found.is_same_boot) roster->services.database.write_later("noting the boot", std::move(note));
    for (const auto& recovery : recoveries)
        if (!recovery->is_late && !recovery->container->is_removed)
            resume_services(roster, recovery->container);
}

}  // namespace berth::engine

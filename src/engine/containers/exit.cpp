// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/exit.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <thread>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/bundle.h"
#include "engine/containers/remove.h"
#include "engine/containers/start.h"
#include "engine/logs/forwarding.h"
#include "engine/state/state_db.h"
#include "shim/client.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

/// How it ended, where the shim could not tell. Blocking.
shim::ExitRecord find_exit(const std::string& bundle) {
    // What is killed closes its descriptors one by one: its socket may take connections a moment longer.
    constexpr int kAttempts = 200;
    constexpr std::chrono::milliseconds kPause(10);
    try {
        UniqueFd directory = sys::open_file(bundle, O_RDONLY | O_DIRECTORY);
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            if (attempt > 0) std::this_thread::sleep_for(kPause);
            if (std::optional<shim::ExitRecord> known = shim::read_exit(directory.get())) return *known;
            if (std::optional<shim::ExitRecord> found = shim::recover(directory.get())) return *found;
        }
        log::warning("{}: the shim broke its connection off, but lives", bundle);
    } catch (const Error& error) {
        log::warning("{}: {}", bundle, error.what());
    }
    shim::ExitRecord unknown;
    unknown.code = 255;
    unknown.time_ns = now_ns();
    unknown.error = "nothing is left that tells how it ended";
    return unknown;
}

/// The shim has let go, or is gone.
async::Task<void> end_life(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life) {
    std::string bundle = container->bundle();
    if (!life->exit_seen) {
        life->exit_seen = true;
        auto find = [&bundle] { return find_exit(bundle); };
        shim::ExitRecord exit = co_await async::run_blocking(std::move(find));
        container->operations.post("exit of " + container->id(), record_exit(roster, container, life, exit));
    }
    co_await life->exit_recorded.wait();
    auto clean = [&bundle, child = life->shim_child] {
        if (child > 0) sys::retry([&] { return waitpid(child, nullptr, 0); });
        remove_bundle(bundle);
    };
    try {
        co_await async::run_blocking(std::move(clean));
    } catch (const Error& error) {
        log::warning("{}: {}", bundle, error.what());
    }
    if (container->life == life) container->life = nullptr;
    life->shim = nullptr;
    life->released.set();
}

async::Task<void> commit_exit(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                              ContainerState state) {
    std::string id = container->id();
    try {
        co_await roster->write_state(id, state);
    } catch (...) {
        log::error("the exit of container {} can't be stored: {}", id, current_exception_message());
    }
    life->exit_recorded.set();
}

/// What the exit makes of the state, and whether it starts again.
ContainerState state_after(const Roster& roster, const ManagedContainer& container,
                           const shim::ExitRecord& exit) {
    ContainerState state = container.state();
    state.pid = 0;
    state.exit_code = exit.code;
    state.oom_killed = exit.oom;
    state.finished_ns = exit.time_ns != 0 ? exit.time_ns : now_ns();
    if (!exit.error.empty()) state.error = exit.error;
    const spec::api::HostConfig& host = container.record().host_config;
    bool restarts = !roster.is_shutting_down && !container.is_removing &&
                    wants_restart(host.RestartPolicy_, exit.code, state.stopped_by_user, state.restart_count);
    if (restarts) ++state.restart_count;
    state.status = restarts ? ContainerStatus::restarting : ContainerStatus::exited;
    return state;
}

void publish_death(const Roster& roster, const ManagedContainer& container, const ContainerState& state,
                   uint64_t oom_kills) {
    if (oom_kills > 0) roster.publish(container, "oom");
    int64_t ran_s = (state.finished_ns - state.started_ns) / 1'000'000'000;
    roster.publish(container, "die",
                   {{"exitCode", std::to_string(state.exit_code)},
                    {"execDuration", std::to_string(std::max<int64_t>(ran_s, 0))}});
}

async::Task<void> restart(RosterPointer roster, ContainerPointer container, int64_t generation) {
    const ContainerState& state = container->state();
    if (state.status != ContainerStatus::restarting || state.generation != generation) co_return;
    if (container->is_removing || roster->is_shutting_down) co_return;
    co_await start_container(roster, container, StartCause::policy);
}

async::Task<void> wait_and_restart(RosterPointer roster, ContainerPointer container, int64_t generation,
                                   std::chrono::milliseconds delay) {
    co_await async::sleep_for(delay);
    if (container->state().generation != generation) co_return;
    container->cancel_restart = nullptr;
    container->operations.post("restart of container " + container->record().name,
                               restart(roster, container, generation));
}

}  // namespace

shim::AsyncClient::Listener shim_listener(RosterPointer roster, ContainerPointer container,
                                          std::shared_ptr<Life> life) {
    shim::AsyncClient::Listener listener;
    listener.event = [roster, container, life](const json::Object& event) {
        const json::Value* name = event.if_contains("event");
        if (name == nullptr || !name->is_string() || name->get_string() != "exited" || life->exit_seen)
            return;
        shim::ExitRecord exit = json::decode<shim::ExitRecord>(json::Value(event));
        life->exit_seen = true;
        container->operations.post("exit of " + container->id(),
                                   record_exit(roster, container, life, std::move(exit)));
    };
    listener.ended = [roster, container, life] {
        roster->services.control.spawn("the end of container " + container->id(),
                                       end_life(roster, container, life));
    };
    return listener;
}

async::Task<void> record_exit(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                              shim::ExitRecord exit) {
    if (container->life != life || container->state().generation != life->generation ||
        !container->is_running()) {
        life->exit_recorded.set();
        co_return;
    }
    if (container->cancel_health) std::exchange(container->cancel_health, {})();
    // Before the waits below, as a restart waits for this exit.
    bool goes_away = container->record().host_config.AutoRemove && !container->is_restarted_by_user;
    container->detach_shim();
    roster->services.forwarding.ended(container->id());
    ContainerState state = state_after(*roster, *container, exit);
    std::chrono::nanoseconds ran(state.finished_ns - state.started_ns);
    container->last_exit = {.exit_code = state.exit_code, .error = ""};
    ++container->exits;
    container->is_leaving_networks = container->sandbox != nullptr;
    container->set_state(state);
    publish_death(*roster, *container, state, exit.oom ? std::max<uint64_t>(exit.oom_kills, 1) : 0);
    roster->services.control.spawn("exit of container " + container->id(),
                                   commit_exit(roster, container, life, state));
    co_await release_resources(roster, container);
    if (state.status == ContainerStatus::restarting)
        restart_later(roster, container, container->backoff.next(ran));
    else if (goes_away)
        remove_soon(roster, container);
}

void restart_later(RosterPointer roster, ContainerPointer container, std::chrono::milliseconds delay) {
    int64_t generation = container->state().generation;
    container->cancel_restart = roster->services.control.spawn_cancellable(
        wait_and_restart(roster, container, generation, delay), [container](std::exception_ptr) {});
}

}  // namespace berth::engine

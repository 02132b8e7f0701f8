// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/start.h"

#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/exit.h"
#include "engine/containers/health.h"
#include "engine/containers/links.h"
#include "engine/containers/log_plan.h"
#include "engine/containers/remove.h"
#include "engine/logs/forwarding.h"
#include "engine/oci/modes.h"
#include "net/namespace.h"

namespace berth::engine {
namespace {

void check_startable(const ManagedContainer& container) {
    if (container.is_paused())
        throw Error(ErrorKind::conflict, "cannot start a paused container, try unpause instead");
    if (container.is_running()) throw Error(ErrorKind::not_modified, "container is already running");
    if (container.is_removing || container.is_removed || container.state().status == ContainerStatus::dead ||
        container.state().status == ContainerStatus::removing)
        throw Error(ErrorKind::conflict, "container is marked for removal and cannot be started");
}

Error cannot_join(const ManagedContainer& other, std::string_view what) {
    if (what == "network")
        return make_error(ErrorKind::conflict,
                          "cannot join network namespace of a non running container: container {} is {}",
                          other.record().name, to_string(other.state().status));
    if (what == "PID")
        return make_error(ErrorKind::conflict, "cannot join PID of a non running container: {}", other.id());
    return make_error(ErrorKind::conflict, "can't join IPC of container {}: container {} is not running",
                      other.id(), other.id());
}

/// Who "container:x" is: it has to run.
JoinedContainer join(Roster& roster, const std::string& id, std::string_view mode, std::string_view what) {
    std::string_view reference = joined_container(mode);
    if (reference.empty()) return {};
    ContainerPointer other =
        with_context([&] { return fmt::format("joining {} namespace of container", what); },
                     [&] { return roster.get(reference); });
    if (other->id() == id)
        throw make_error(ErrorKind::invalid_argument, "cannot join own {} namespace", what);
    if (other->state().status == ContainerStatus::restarting)
        throw make_error(ErrorKind::conflict,
                         "Container {} is restarting, wait until the container is running", other->id());
    if (!other->is_running()) throw cannot_join(*other, what);
    return {.pid = other->state().pid,
            .id = other->id(),
            .directory = other->directory(),
            .hostname = other->record().config.Hostname,
            .domainname = other->record().config.Domainname};
}

/// The folder behind the /dev/shm of a container whose IPC namespace is joined.
std::string shared_memory_behind(Roster& roster, const ContainerPointer& donor) {
    const std::string& mode = donor->record().host_config.IpcMode;
    if (mode == "shareable") return roster.shared_memory_of(donor->id());
    if (mode == "host") return "/dev/shm";
    if (is_container_mode(mode)) return shared_memory_behind(roster, roster.get(joined_container(mode)));
    throw make_error(ErrorKind::invalid_argument,
                     "can't join IPC of container {}: non-shareable IPC (hint: use IpcMode:shareable for the "
                     "donor container)",
                     donor->id());
}

StartJob plan_job(const RosterPointer& roster, const ManagedContainer& container) {
    const ContainerRecord& record = container.record();
    StartJob job;
    job.record = &record;
    job.daemon = roster->config;
    job.host = &roster->services.host;
    job.store = &roster->services.images.store();
    for (const MountPoint& mount : record.mounts)
        if (mount.type == "volume")
            job.volumes.emplace(mount.name, roster->services.volumes.inspect(mount.name));
    job.network = join(*roster, record.id, record.host_config.NetworkMode, "network");
    job.ipc = join(*roster, record.id, record.host_config.IpcMode, "IPC");
    job.pid = join(*roster, record.id, record.host_config.PidMode, "PID");
    job.shim_path = roster->shim_program.path();
    job.shims = &roster->shims;
    job.directory = container.directory();
    job.bundle = container.bundle();
    job.mounts_folder = roster->mounts_folder();
    job.shared_memory = roster->shared_memory_of(container.id());
    if (job.ipc.pid != 0) job.joined_shared_memory = shared_memory_behind(*roster, roster->get(job.ipc.id));
    return job;
}

/// Containers that joined it, or are about to, may outlive the one that they joined.
bool is_network_shared(const Roster& roster, const std::string& id) {
    for (const ContainerPointer& other : roster.containers.all()) {
        std::string_view joined = joined_container(other->record().host_config.NetworkMode);
        if (joined.empty() || (!other->is_running() && !other->is_starting)) continue;
        bool is_ambiguous = false;
        ContainerPointer donor = roster.containers.look_up(joined, is_ambiguous);
        if (donor && donor->id() == id) return true;
    }
    return false;
}

/// A shim of the life before may still deliver output to somebody who doesn't read.
async::Task<void> end_last_life(ContainerPointer container) {
    std::shared_ptr<Life> life = container->life;
    if (!life) co_return;
    try {
        async::Task<void> released = life->released.wait();
        co_await async::with_timeout(std::chrono::seconds(3), "the last run", std::move(released));
        co_return;
    } catch (const Error&) {
        // It is told to go, below.
    }
    std::shared_ptr<shim::AsyncClient> shim = life->shim;
    try {
        if (shim) co_await shim->shutdown();
    } catch (const Error&) {
        // It went meanwhile.
    }
    co_await life->released.wait();
}

/// After a failure: the container goes, then the shim, then the bundle.
async::Task<void> undo(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life) {
    container->detach_shim();
    life->exit_recorded.set();
    try {
        co_await life->shim->remove(true);
    } catch (const Error&) {
        // Gone already: a program that could not be executed ends it.
    }
    co_await life->released.wait();
}

/// From the created container to the running one.
async::Task<void> run_program(RosterPointer roster, ContainerPointer container, std::shared_ptr<Life> life,
                              ContainerState next) {
    container->attach_life(life);
    co_await container->bind_sessions();
    if (container->sandbox) co_await roster->services.sandboxes.park(container->sandbox, life->shim);
    std::exception_ptr failure;
    try {
        next.pid = co_await life->shim->start();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) std::rethrow_exception(runtime_failure(failure, container->record().path));
    next.started_ns = now_ns();
    next.status = ContainerStatus::running;
    if (has_healthcheck(container->record())) next.health.status = HealthStatus::starting;
    co_await roster->change_state(container, std::move(next));
}

/// As with dockerd a container doesn't start where its log can't be sent on.
async::Task<void> check_forwarding(RosterPointer roster, ContainerPointer container) {
    std::optional<Forwarder::Setup> setup = forwarding_setup(container->record(), container->directory());
    if (!setup) co_return;
    try {
        co_await roster->services.forwarding.check(std::move(*setup));
    } catch (Error& error) {
        error.add_context("failed to initialize logging driver");
        throw;
    }
}

/// A network that is made beside the container.
struct NetworkMaking {
    explicit NetworkMaking(async::Context& context) : done(context) {}
    async::Event done;
    std::exception_ptr failure;
};

async::Task<void> make_network(RosterPointer roster, std::shared_ptr<Sandbox> sandbox,
                               std::shared_ptr<NetworkMaking> making) {
    try {
        co_await roster->services.sandboxes.connect(sandbox);
    } catch (...) {
        making->failure = std::current_exception();
    }
    making->done.set();
}

/// From here on `job` has all that spawn_container() needs.
async::Task<void> open_network(RosterPointer roster, ContainerPointer container, StartJob* job) {
    const ContainerRecord& record = container->record();
    check_links_run(*roster, record);
    try {
        container->sandbox = co_await roster->services.sandboxes.open(record, container->bundle());
    } catch (Error& error) {
        error.add_context("failed to set up container networking");
        throw;
    }
    job->etc_networks = etc_networks(*roster, record, container->sandbox.get());
    job->link_variables = container->link_variables = link_variables(*roster, record);
    if (record.host_config.NetworkMode == "none") {
        job->plain_namespace = co_await roster->services.sandboxes.take_plain_namespace();
        job->network_namespace = net::namespace_path(job->plain_namespace.get());
    }
    if (!container->sandbox) co_return;
    job->network_namespace = container->sandbox->namespace_path();
    job->network_record = encode_sandbox_record(container->sandbox->record());
}

/// The container's creation and its network's, which don't wait for each other. Both have ended when it ends.
async::Task<void> create_with_network(RosterPointer roster, ContainerPointer container, const StartJob& job,
                                      std::shared_ptr<Life> life) {
    auto making = std::make_shared<NetworkMaking>(roster->services.control);
    std::shared_ptr<Sandbox> sandbox = container->sandbox;
    if (sandbox)
        roster->services.control.spawn("network of container " + container->id(),
                                       make_network(roster, sandbox, making));
    std::exception_ptr failure;
    try {
        auto spawn = [&job] { return spawn_container(job); };
        shim::Spawned spawned = co_await async::run_blocking(std::move(spawn));
        life->shim_child = spawned.process.release();
        life->shim = std::make_shared<shim::AsyncClient>(roster->services.control, spawned.client.release(),
                                                         shim_listener(roster, container, life));
    } catch (...) {
        failure = std::current_exception();
    }
    if (sandbox) co_await making->done.wait();
    if (failure) std::rethrow_exception(failure);
    try {
        if (making->failure) std::rethrow_exception(making->failure);
    } catch (Error& error) {
        error.add_context("failed to set up container networking");
        throw;
    }
}

async::Task<void> create_and_run(RosterPointer roster, ContainerPointer container, ContainerState next) {
    co_await check_forwarding(roster, container);
    std::string id = container->id();
    std::vector<MountPoint> mounts = container->record().mounts;
    StartJob job = plan_job(roster, *container);
    co_await roster->services.volumes.mounted(id, std::move(mounts));
    std::shared_ptr<Life> life = roster->make_life(next.generation);
    std::exception_ptr failure;
    try {
        co_await open_network(roster, container, &job);
        co_await create_with_network(roster, container, job, life);
        co_await run_program(roster, container, life, std::move(next));
        co_return;
    } catch (...) {
        failure = std::current_exception();
    }
    if (life->shim) co_await undo(roster, container, life);
    co_await release_resources(roster, container);
    std::rethrow_exception(failure);
}

/// For the next container, when this one has had the processors for a while.
async::Task<void> prepare_shim(RosterPointer roster) {
    co_await async::sleep_for(std::chrono::milliseconds(20));
    if (roster->is_shutting_down) co_return;
    auto prepare = [roster] { roster->shims.prepare(); };
    co_await async::run_blocking(std::move(prepare));
}

/// The failure stays visible in the container's state.
async::Task<void> record_failure(RosterPointer roster, ContainerPointer container,
                                 std::exception_ptr failure) {
    ContainerState state = container->state();
    try {
        std::rethrow_exception(failure);
    } catch (const StartError& error) {
        state.exit_code = error.exit_code();
        state.error = error.what();
    } catch (...) {
        state.exit_code = 128;
        state.error = current_exception_message();
    }
    state.pid = 0;
    if (state.status == ContainerStatus::restarting) state.status = ContainerStatus::exited;
    container->last_exit = {.exit_code = state.exit_code, .error = ""};
    ++container->exits;
    container->abandon_sessions();
    co_await roster->change_state(container, std::move(state));
}

}  // namespace

async::Task<void> start_container(RosterPointer roster, ContainerPointer container, StartCause cause) {
    check_startable(*container);
    if (container->cancel_restart) std::exchange(container->cancel_restart, {})();
    co_await end_last_life(container);
    ContainerState next = container->state();
    next.generation += 1;
    next.error.clear();
    next.exit_code = 0;
    next.oom_killed = false;
    next.health = {};
    next.stopped_by_user = false;
    container->drain_until = {};
    if (cause == StartCause::user) {
        next.restart_count = 0;
        container->backoff.reset();
    }
    std::exception_ptr failure;
    container->is_starting = true;
    try {
        co_await create_and_run(roster, container, std::move(next));
    } catch (...) {
        failure = std::current_exception();
    }
    container->is_starting = false;
    roster->services.control.spawn("the next shim", prepare_shim(roster));
    if (!failure) {
        if (auto setup = forwarding_setup(container->record(), container->directory()))
            roster->services.forwarding.started(container->id(), std::move(*setup));
        if (!container->sandbox) roster->services.sandboxes.joined_plain(container->record(), true);
        rewrite_linked(roster, container);
        roster->publish(*container, "start");
        watch_health(roster, container);
        co_return;
    }
    co_await record_failure(roster, container, failure);
    if (container->record().host_config.AutoRemove) remove_soon(roster, container);
    std::rethrow_exception(failure);
}

async::Task<void> release_resources(RosterPointer roster, ContainerPointer container) {
    try {
        if (std::shared_ptr<Sandbox> sandbox = std::exchange(container->sandbox, nullptr))
            co_await roster->services.sandboxes.close(sandbox, is_network_shared(*roster, container->id()));
        container->is_leaving_networks = false;
        container->notify();
        roster->services.sandboxes.left_plain(container->record());
        if (container->record().host_config.IpcMode == "shareable") {
            std::string folder = roster->shared_memory_of(container->id());
            auto unmount = [folder] { release_shared_memory(folder); };
            co_await async::run_blocking(std::move(unmount));
        }
        std::string id = container->id();
        co_await roster->services.volumes.unmounted(std::move(id));
    } catch (...) {
        log::warning("container {}: {}", container->id(), current_exception_message());
    }
}

}  // namespace berth::engine

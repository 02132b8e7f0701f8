// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/health.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers/stop.h"
#include "engine/networks/service_ports.h"
#include "engine/oci/exec_process.h"
#include "engine/state/state_db.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr size_t kKeptProbes = 5;
constexpr size_t kKeptOutput = 4096;

nanoseconds or_default(int64_t value_ns, seconds otherwise) {
    return value_ns == 0 ? nanoseconds(otherwise) : nanoseconds(value_ns);
}

/// "1m30s", "500ms": as Go prints a duration of whole milliseconds.
std::string go_duration(nanoseconds duration) {
    int64_t milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (milliseconds < 1000) return fmt::format("{}ms", milliseconds);
    int64_t whole = milliseconds / 1000;
    std::string rest = milliseconds % 1000 == 0
                           ? fmt::format("{}s", whole % 60)
                           : fmt::format("{:g}s", static_cast<double>(milliseconds % 60000) / 1000);
    if (whole < 60) return rest;
    if (whole < 3600) return fmt::format("{}m{}", whole / 60, rest);
    return fmt::format("{}h{}m{}", whole / 3600, whole / 60 % 60, rest);
}

struct ProbeRun {
    RosterPointer roster;
    ContainerPointer container;
    HealthSettings settings;
    /// Copies, for the pool: the container's own may change meanwhile.
    ContainerRecord record;
    std::vector<std::string> link_variables;
    pid_t pid = 0;
    std::string exec_id = random_hex(32);
    UniqueFd output = sys::memory_file("health", "");

    std::string command_text() const { return join(settings.command, " "); }
    std::string read_output() const {
        std::string text(kKeptOutput, '\0');
        ssize_t size = sys::retry([&] { return pread(output.get(), text.data(), text.size(), 0); });
        text.resize(size > 0 ? static_cast<size_t>(size) : 0);
        char more = 0;
        if (pread(output.get(), &more, 1, kKeptOutput) == 1) text += "...";
        return text;
    }
};

/// As config.json has a process. Blocking: looks up the user in the container.
std::string probe_process(const ProbeRun& probe, const DaemonConfig& daemon) {
    const ContainerRecord& record = probe.record;
    spec::api::ExecCreateRequest request;
    request.Cmd = probe.settings.command;
    request.AttachStdout = request.AttachStderr = true;
    std::string root_path = fmt::format("/proc/{}/root", probe.pid);
    UniqueFd root = sys::open_file(root_path, O_PATH | O_DIRECTORY);
    ExecInput input{.id = record.id,
                    .config = record.config,
                    .host_config = record.host_config,
                    .request = request,
                    .daemon = daemon,
                    .host = probe.roster->services.host,
                    .root = root.get(),
                    .link_variables = probe.link_variables};
    return json::print(json::encode(build_exec_process(input)));
}

async::Task<int> wait_for_probe(std::shared_ptr<shim::AsyncClient> shim, std::string exec_id) {
    shim::ExecResult result = co_await shim->exec_wait(std::move(exec_id));
    co_return result.code;
}

async::Task<int> execute(std::shared_ptr<ProbeRun> probe, std::shared_ptr<shim::AsyncClient> shim) {
    auto make = [probe, daemon = probe->roster->config] { return probe_process(*probe, *daemon); };
    std::string process = co_await async::run_blocking(std::move(make));
    probe->roster->publish(*probe->container, "exec_create: " + probe->command_text(),
                           {{"execID", probe->exec_id}});
    shim::Streams streams{.out = probe->output.get(), .err = probe->output.get()};
    std::string id = probe->exec_id;
    probe->roster->publish(*probe->container, "exec_start: " + probe->command_text(),
                           {{"execID", probe->exec_id}});
    co_await shim->exec(id, std::move(process), streams, true);
    int code = co_await wait_for_probe(shim, id);
    probe->roster->publish(*probe->container, "exec_die",
                           {{"execID", probe->exec_id}, {"exitCode", std::to_string(code)}});
    co_return code;
}

async::Task<void> end_probe(std::shared_ptr<shim::AsyncClient> shim, std::string exec_id) {
    try {
        co_await shim->kill(SIGKILL, false, std::move(exec_id));
    } catch (const Error&) {
        // It has ended.
    }
}

async::Task<HealthProbe> run_probe(RosterPointer roster, ContainerPointer container, HealthSettings settings,
                                   std::shared_ptr<shim::AsyncClient> shim) {
    auto run = std::make_shared<ProbeRun>(ProbeRun{.roster = roster,
                                                   .container = container,
                                                   .settings = std::move(settings),
                                                   .record = container->record(),
                                                   .link_variables = container->link_variables,
                                                   .pid = container->state().pid});
    HealthProbe probe{.start_ns = now_ns()};
    bool is_late = false;
    try {
        auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(run->settings.timeout);
        async::Task<int> execution = execute(run, shim);
        probe.exit_code = co_await async::with_timeout(limit, "probe", std::move(execution));
        probe.output = run->read_output();
    } catch (const Error& error) {
        probe.exit_code = -1;
        probe.output = error.what();
        is_late = probe.output.starts_with("probe: timed out");
    }
    if (is_late) {
        co_await end_probe(shim, run->exec_id);
        probe.output = fmt::format("Health check exceeded timeout ({}): {}",
                                   go_duration(run->settings.timeout), run->read_output());
        if (probe.output.ends_with(": ")) probe.output.resize(probe.output.size() - 2);
    }
    probe.end_ns = now_ns();
    co_return probe;
}

bool restarts_unhealthy(const ContainerRecord& record) {
    auto is_set = [](const spec::api::StringMap& from) {
        auto found = from.find(std::string(kRestartUnhealthyLabel));
        return found != from.end() && found->second == "true";
    };
    return is_set(spec::api::items(record.config.Labels)) || is_set(record.host_config.Annotations);
}

/// For the queue: else it could undo what an operation is about to commit.
async::Task<void> keep_health(RosterPointer roster, ContainerPointer container) {
    if (!container->is_running()) co_return;
    std::string id = container->id();
    co_await roster->write_state(id, container->state());
}

/// Whoever sees that it is healthy finds it among those of its service that answer.
async::Task<void> tell_services(RosterPointer roster, ContainerPointer container, HealthStatus status) {
    try {
        co_await roster->services.service_ports.set_healthy(container->id(), status == HealthStatus::healthy);
    } catch (const Error& error) {
        log::warning("the service of container {}: {}", container->record().name, error.what());
    }
}

async::Task<void> take_result(RosterPointer roster, ContainerPointer container,
                              const HealthSettings& settings, HealthProbe probe) {
    HealthStatus before = container->state().health.status;
    int64_t generation = container->state().generation;
    nanoseconds since_start(probe.start_ns - container->state().started_ns);
    Health next = container->state().health;
    apply_probe(next, settings, std::move(probe), since_start);
    HealthStatus now = next.status;
    if (now != before) {
        co_await tell_services(roster, container, now);
        if (!container->is_running() || container->state().generation != generation) co_return;
    }
    container->health() = std::move(next);
    container->notify();
    if (now == before) co_return;
    roster->publish(*container, fmt::format("health_status: {}", to_string(now)));
    container->operations.post("health of container " + container->id(), keep_health(roster, container));
    if (now == HealthStatus::unhealthy && restarts_unhealthy(container->record())) {
        log::info("container {} is unhealthy: it is restarted", container->record().name);
        roster->services.control.spawn("restart of unhealthy container " + container->record().name,
                                       restart_container(roster, container, {}));
    }
}

async::Task<void> watch(RosterPointer roster, ContainerPointer container, HealthSettings settings) {
    int64_t generation = container->state().generation;
    while (true) {
        nanoseconds since_start(now_ns() - container->state().started_ns);
        co_await async::sleep_for(probe_delay(container->state().health, settings, since_start));
        std::shared_ptr<shim::AsyncClient> shim = container->shim();
        if (!shim || container->state().generation != generation) co_return;
        if (container->state().status != ContainerStatus::running) continue;
        HealthProbe probe = co_await run_probe(roster, container, settings, shim);
        if (!container->is_running() || container->state().generation != generation) co_return;
        if (container->is_paused()) continue;
        co_await take_result(roster, container, settings, std::move(probe));
    }
}

}  // namespace

std::optional<HealthSettings> health_settings(const spec::api::ContainerConfig& config) {
    if (!config.Healthcheck) return std::nullopt;
    const spec::api::HealthConfig& check = *config.Healthcheck;
    if (check.Test.empty() || check.Test[0] == "NONE" || check.Test[0].empty()) return std::nullopt;
    HealthSettings settings{.interval = or_default(check.Interval, seconds(30)),
                            .timeout = or_default(check.Timeout, seconds(30)),
                            .start_period = nanoseconds(check.StartPeriod),
                            .start_interval = or_default(check.StartInterval, seconds(5)),
                            .retries = check.Retries > 0 ? check.Retries : 3};
    if (check.Test[0] == "CMD-SHELL") {
        settings.command = config.Shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.Shell;
        settings.command.push_back(check.Test.size() > 1 ? check.Test[1] : "");
    } else {
        settings.command.assign(check.Test.begin() + (check.Test[0] == "CMD" ? 1 : 0), check.Test.end());
    }
    if (settings.command.empty()) return std::nullopt;
    return settings;
}

bool has_healthcheck(const ContainerRecord& record) {
    return health_settings(record.config).has_value();
}

void apply_probe(Health& health, const HealthSettings& settings, HealthProbe probe,
                 std::chrono::nanoseconds since_start) {
    bool is_healthy = probe.exit_code == 0;
    health.log.push_back(std::move(probe));
    if (health.log.size() > kKeptProbes) health.log.erase(health.log.begin());
    if (is_healthy) {
        health.failing_streak = 0;
        health.status = HealthStatus::healthy;
        return;
    }
    if (health.status == HealthStatus::starting && since_start < settings.start_period) return;
    if (++health.failing_streak >= settings.retries) health.status = HealthStatus::unhealthy;
}

std::chrono::nanoseconds probe_delay(const Health& health, const HealthSettings& settings,
                                     std::chrono::nanoseconds since_start) {
    bool is_starting = health.status == HealthStatus::starting && since_start < settings.start_period;
    return is_starting ? settings.start_interval : settings.interval;
}

void watch_health(RosterPointer roster, ContainerPointer container) {
    std::optional<HealthSettings> settings = health_settings(container->record().config);
    if (!settings) return;
    container->cancel_health = roster->services.control.spawn_cancellable(
        watch(roster, container, std::move(*settings)), [container](std::exception_ptr error) {
            if (!error || async::is_cancelled(error)) return;
            try {
                std::rethrow_exception(error);
            } catch (...) {
                log::error("health of container {}: {}", container->id(), current_exception_message());
            }
        });
}

}  // namespace berth::engine

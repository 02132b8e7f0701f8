// SPDX-License-Identifier: Apache-2.0
// Many containers at once: when the daemon starts, and when it ends with `stop_containers`.
#include <utility>

#include "base/log.h"
#include "engine/containers/dependencies.h"
#include "engine/containers/recover.h"
#include "engine/containers/restart_policy.h"
#include "engine/containers/start.h"
#include "engine/containers/stop.h"

namespace berth::engine {
namespace {

constexpr size_t kAtOnce = 4;

using Levels = std::vector<std::vector<ContainerPointer>>;

Levels levels_of(const std::vector<ContainerPointer>& containers) {
    std::vector<const ContainerRecord*> records;
    for (const ContainerPointer& container : containers) records.push_back(&container->record());
    Levels levels;
    for (const std::vector<size_t>& level : start_levels(records)) {
        levels.emplace_back();
        for (size_t index : level) levels.back().push_back(containers[index]);
    }
    return levels;
}

/// For the queue.
async::Task<void> start_wanted_one(RosterPointer roster, ContainerPointer container) {
    if (container->is_running() || container->is_removing || roster->is_shutting_down) co_return;
    co_await start_container(roster, container, StartCause::policy);
}

async::Task<void> start_logged(RosterPointer roster, ContainerPointer container) {
    try {
        async::Task<void> start = start_wanted_one(roster, container);
        co_await container->operations.run(std::move(start));
    } catch (...) {
        log::error("starting container {}: {}", container->record().name, current_exception_message());
    }
}

async::Task<void> stop_logged(RosterPointer roster, ContainerPointer container, std::chrono::seconds limit) {
    int own_s = container->record().config.StopTimeout.value_or(10);
    int limit_s = static_cast<int>(limit.count());
    StopOptions options;
    options.timeout_s = own_s < 0 ? limit_s : std::min(own_s, limit_s);
    try {
        co_await stop_container(roster, container, std::move(options));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_modified)
            log::warning("stopping container {}: {}", container->record().name, error.what());
    }
}

async::Task<void> until_removed(ContainerPointer container) {
    while (!container->is_removed && container->state().status != ContainerStatus::dead)
        co_await container->changed();
}

}  // namespace

async::Task<void> start_wanted(RosterPointer roster) {
    std::vector<ContainerPointer> wanted;
    for (const ContainerPointer& container : roster->containers.all())
        if (!container->is_running() && !container->record().host_config.AutoRemove &&
            (container->state().status == ContainerStatus::restarting ||
             wants_start_with_daemon(container->record().host_config.RestartPolicy_, container->state())))
            wanted.push_back(container);
    for (const std::vector<ContainerPointer>& level : levels_of(wanted)) {
        std::vector<async::Task<void>> starts;
        for (const ContainerPointer& container : level) starts.push_back(start_logged(roster, container));
        co_await async::all_of(std::move(starts), kAtOnce);
    }
}

async::Task<void> stop_all(RosterPointer roster, std::chrono::seconds limit) {
    std::vector<ContainerPointer> running;
    for (const ContainerPointer& container : roster->containers.all())
        if (container->is_running()) running.push_back(container);
    Levels levels = levels_of(running);
    auto deadline = std::chrono::steady_clock::now() + limit;
    for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
        auto left =
            std::chrono::duration_cast<std::chrono::seconds>(deadline - std::chrono::steady_clock::now());
        std::vector<async::Task<void>> stops;
        for (const ContainerPointer& container : *level)
            stops.push_back(stop_logged(roster, container, std::max(left, std::chrono::seconds(0))));
        co_await async::all_of(std::move(stops));
    }
    for (const ContainerPointer& container : running) {
        if (!container->record().host_config.AutoRemove) continue;
        try {
            async::Task<void> removed = until_removed(container);
            co_await async::with_timeout(std::chrono::seconds(5), "removal", std::move(removed));
        } catch (const Error&) {
            // The next start of the daemon ends it.
        }
    }
}

}  // namespace berth::engine

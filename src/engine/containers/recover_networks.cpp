// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/recover_networks.h"

#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "engine/containers/links.h"
#include "engine/networks/service_ports.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

async::Task<void> show_health(RosterPointer roster, std::string id, HealthStatus health) {
    if (health == HealthStatus::none) co_return;
    co_await roster->services.service_ports.set_healthy(std::move(id), health == HealthStatus::healthy);
}

async::Task<void> remove_strays(RosterPointer roster, ContainerPointer container) {
    if (!container->sandbox || !container->is_running()) co_return;
    co_await roster->services.sandboxes.remove_strays(container->sandbox, container->record());
    co_await rewrite_etc_files(roster, container);
}

async::Task<void> remove_all_strays(RosterPointer roster) {
    std::vector<async::Task<void>> tasks;
    for (const ContainerPointer& container : roster->containers.all()) {
        if (!container->sandbox || !roster->services.sandboxes.has_strays(*container->sandbox)) continue;
        // That of one whose shim doesn't answer waits for it, in its queue.
        if (container->shim())
            tasks.push_back(container->operations.run(remove_strays(roster, container)));
        else
            container->operations.post("networks of container " + container->id(),
                                       remove_strays(roster, container));
    }
    co_await async::all_of(std::move(tasks));
}

}  // namespace

KeptNetworks read_networks(const std::string& folder, const std::set<std::string>& bundles) {
    KeptNetworks kept;
    for (const std::string& id : bundles) {
        std::string bundle = folder + "/" + id;
        // It has ended, for good, and others may have got its addresses before the daemon did.
        if (access((bundle + "/exit.json").c_str(), F_OK) == 0) continue;
        try {
            if (std::optional<std::string> text = sys::try_read_file(bundle + "/network.json"))
                kept.emplace(id, decode_sandbox_record(*text));
        } catch (const std::exception& error) {
            log::error("the network of container {} is not known: {}", id, error.what());
        }
    }
    return kept;
}

void claim_networks(const RosterPointer& roster, KeptNetworks kept) {
    for (auto& [id, record] : kept) {
        ContainerPointer container = roster->containers.find(id);
        if (!container) continue;
        try {
            container->sandbox =
                roster->services.sandboxes.claim(container->record(), container->bundle(), std::move(record));
        } catch (const Error& error) {
            log::error("the network of container {}: {}", container->record().name, error.what());
        }
    }
}

async::Task<void> adopt_network(RosterPointer roster, ContainerPointer container,
                                std::shared_ptr<shim::AsyncClient> shim, ContainerState state) {
    try {
        if (!container->sandbox) {
            roster->services.sandboxes.joined_plain(container->record(), false);
            co_return;
        }
        co_await roster->services.sandboxes.adopt(container->sandbox, container->record(), state.pid,
                                                  std::move(shim));
        co_await show_health(roster, container->id(), state.health.status);
    } catch (...) {
        log::error("the network of container {}: {}", container->record().name, current_exception_message());
    }
}

async::Task<void> forget_network(RosterPointer roster, ContainerPointer container) {
    if (std::shared_ptr<Sandbox> sandbox = std::exchange(container->sandbox, nullptr))
        co_await roster->services.sandboxes.close(sandbox);
}

async::Task<void> show_network(RosterPointer roster, ContainerPointer container) {
    try {
        if (!container->sandbox) {
            roster->services.sandboxes.joined_plain(container->record(), false);
            co_return;
        }
        co_await roster->services.sandboxes.show(container->sandbox);
        co_await show_health(roster, container->id(), container->state().health.status);
    } catch (...) {
        log::error("the network of container {}: {}", container->record().name, current_exception_message());
    }
}

async::Task<void> restore_networks(RosterPointer roster, std::chrono::milliseconds patience) {
    co_await roster->services.sandboxes.restore();
    for (const ContainerPointer& container : roster->containers.all())
        if (container->is_running()) container->link_variables = link_variables(*roster, container->record());
    try {
        async::Task<void> all = remove_all_strays(roster);
        co_await async::with_timeout(patience, "what connects and disconnects left", std::move(all));
    } catch (const Error& error) {
        log::warning("{}", error.what());
    }
}

}  // namespace berth::engine

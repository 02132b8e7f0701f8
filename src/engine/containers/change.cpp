// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/change.h"

#include <utility>

#include "base/log.h"
#include "engine/containers/create.h"
#include "engine/containers/names.h"
#include "engine/oci/update_rules.h"

namespace berth::engine {
namespace {

async::Task<void> rename(RosterPointer roster, ContainerPointer container, std::string name) {
    if (container->is_removed)
        throw make_error(ErrorKind::not_found, "No such container: {}", container->id());
    std::string before = container->record().name;
    if (name == before)
        throw Error(ErrorKind::invalid_argument,
                    "Renaming a container with the same name as its current name");
    with_context("Error when allocating new name", [&] { reserve_name(*roster, name, container->id()); });
    ContainerRecord record = container->record();
    record.name = name;
    std::exception_ptr failure;
    try {
        co_await roster->write_record(record);
    } catch (...) {
        failure = std::current_exception();
    }
    roster->containers.release_name(failure ? name : before, container->id());
    if (failure) std::rethrow_exception(failure);
    container->set_record(std::move(record));
    try {
        if (container->sandbox)
            co_await roster->services.sandboxes.renamed(container->sandbox, container->record());
        else
            roster->services.networks.renamed(container->id(), container->record().name);
    } catch (...) {
        log::warning("the new name of container {} in its networks: {}", container->id(),
                     current_exception_message());
    }
    roster->publish(*container, "rename", {{"oldName", "/" + before}});
}

bool is_empty(const spec::Resources& resources) {
    return json::encode(resources).as_object().empty();
}

async::Task<spec::api::ContainerUpdateResponse> update(RosterPointer roster, ContainerPointer container,
                                                       spec::api::UpdateRequest request) {
    if (container->is_removing || container->is_removed || container->state().status == ContainerStatus::dead)
        throw make_error(
            ErrorKind::conflict,
            "Cannot update container {}: container is marked for removal and cannot be \"update\"",
            container->id());
    ContainerRecord record = container->record();
    UpdatePlan plan =
        apply_update_rules(container->id(), record.host_config, std::move(request), roster->services.host);
    record.host_config = std::move(plan.host_config);
    if (std::shared_ptr<shim::AsyncClient> shim = container->shim();
        shim && container->is_running() && !is_empty(plan.resources)) {
        std::string limits = json::print(json::encode(plan.resources));
        try {
            co_await shim->update(std::move(limits));
        } catch (Error& error) {
            error.add_context(fmt::format("Cannot update container {}", container->id()));
            throw;
        }
    }
    co_await roster->write_record(record);
    container->set_record(std::move(record));
    roster->publish(*container, "update");
    spec::api::ContainerUpdateResponse response;
    if (!plan.warnings.empty()) response.Warnings = std::move(plan.warnings);
    co_return response;
}

}  // namespace

async::Task<void> rename_container(RosterPointer roster, ContainerPointer container, std::string name) {
    if (name.empty()) throw Error(ErrorKind::invalid_argument, "Neither old nor new names may be empty");
    std::string wanted = checked_container_name(name);
    co_await container->operations.run(rename(roster, container, std::move(wanted)));
}

async::Task<spec::api::ContainerUpdateResponse> update_container(RosterPointer roster,
                                                                 ContainerPointer container,
                                                                 spec::api::UpdateRequest request) {
    return container->operations.run_for(update(roster, container, std::move(request)));
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "spec/api/volume_views.h"

#include "api/routes.h"
#include "engine/engine.h"
#include "engine/volumes/volumes.h"

namespace berth::api {

namespace {

using spec::api::Filters;

async::Task<void> list_volumes(Call& call) {
    Filters filters = call.filters();
    spec::api::VolumeListResponse list;
    for (const engine::Volume& volume : call.engine.volumes().list(filters))
        list.Volumes.push_back(engine::volume_view(volume));
    co_await call.send_json(spec::api::encode_volume_list(list));
}

async::Task<void> create_volume(Call& call) {
    json::Value body = co_await call.body();
    auto request =
        with_context("invalid JSON", [&] { return spec::api::decode_volume_create_request(body); });
    if (request.ClusterVolumeSpec)
        throw Error(ErrorKind::unavailable,
                    "This node is not a swarm manager. Use \"docker swarm init\" or "
                    "\"docker swarm join\" to connect this node to swarm and try again.");
    engine::VolumeCreate wanted;
    wanted.name = std::move(request.Name);
    wanted.driver = std::move(request.Driver);
    wanted.options = spec::api::items(request.DriverOpts);
    wanted.labels = spec::api::items(request.Labels);
    engine::Volume volume = co_await call.engine.volumes().create(std::move(wanted));
    co_await call.send_json(spec::api::encode_volume(engine::volume_view(volume)), 201);
}

async::Task<void> inspect_volume(Call& call) {
    engine::Volume volume = call.engine.volumes().inspect(call.param("name"));
    co_await call.send_json(spec::api::encode_volume(engine::volume_view(volume)));
}

async::Task<void> remove_volume(Call& call) {
    co_await call.engine.volumes().remove(call.param("name"), call.flag("force"));
    co_await call.send_status(204);
}

async::Task<void> prune_volumes(Call& call) {
    Filters filters = call.filters();
    // Before 1.42 named volumes went too.
    if (call.version < ApiVersion{1, 42}) {
        filters.remove("all");
        filters.add("all", "true");
    }
    engine::VolumePruned pruned = co_await call.engine.volumes().prune(std::move(filters));
    spec::api::VolumesPruneReport report;
    report.VolumesDeleted = std::move(pruned.deleted);
    report.SpaceReclaimed = pruned.reclaimed_bytes;
    co_await call.send_json(spec::api::encode_volumes_prune_report(report));
}

/// Only volumes of a swarm's cluster can be changed.
async::Task<void> update_volume(Call&) {
    throw Error(ErrorKind::not_implemented,
                "only cluster volumes can be updated, and Berth has no swarm mode");
    co_return;
}

}  // namespace

void add_volume_routes(Router& router) {
    router.add("GET", "/volumes", list_volumes);
    router.add("POST", "/volumes/create", create_volume);
    router.add("POST", "/volumes/prune", prune_volumes);
    router.add("GET", "/volumes/{name*}", inspect_volume);
    router.add("PUT", "/volumes/{name*}", update_volume);
    router.add("DELETE", "/volumes/{name*}", remove_volume);
}

}  // namespace berth::api

// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"

/// What Berth does not have answers as a Docker where it is switched off.
namespace berth::api {

namespace {

async::Task<void> no_swarm_manager(Call&) {
    throw Error(
        ErrorKind::unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect "
        "this node to swarm and try again.");
    co_return;
}

async::Task<void> no_swarm(Call&) {
    throw Error(ErrorKind::unavailable, "This node is not part of a swarm");
    co_return;
}

async::Task<void> no_swarm_support(Call&) {
    throw Error(ErrorKind::not_implemented, "Berth has no swarm mode; run one daemon on each host");
    co_return;
}

async::Task<void> no_plugins(Call& call) {
    json::Value none = json::Array();
    co_await call.send_json(std::move(none));
}

async::Task<void> no_such_plugin(Call& call) {
    throw make_error(ErrorKind::not_found, "plugin \"{}\" not found", call.param("name"));
    co_return;
}

async::Task<void> no_plugin_support(Call&) {
    throw Error(ErrorKind::not_implemented, "Berth does not run managed plugins");
    co_return;
}

async::Task<void> no_build(Call&) {
    throw Error(ErrorKind::not_implemented, "this daemon does not build images yet; use \"berth build\"");
    co_return;
}

async::Task<void> no_buildkit(Call&) {
    throw Error(
        ErrorKind::not_implemented,
        "this daemon has no BuildKit: set DOCKER_BUILDKIT=0 for \"docker build\", or use \"berth build\"");
    co_return;
}

}  // namespace

void add_absent_routes(Router& router) {
    router.add("GET", "/swarm", no_swarm_manager);
    router.add("GET", "/swarm/unlockkey", no_swarm_manager);
    router.add("POST", "/swarm/init", no_swarm_support);
    router.add("POST", "/swarm/join", no_swarm_support);
    router.add("POST", "/swarm/leave", no_swarm);
    router.add("POST", "/swarm/update", no_swarm_manager);
    router.add("POST", "/swarm/unlock", no_swarm_manager);
    for (std::string_view list : {"/services", "/nodes", "/tasks", "/secrets", "/configs"})
        router.add("GET", list, no_swarm_manager);
    for (std::string_view create : {"/services/create", "/secrets/create", "/configs/create"})
        router.add("POST", create, no_swarm_manager);
    for (std::string_view one :
         {"/services/{id}", "/nodes/{id}", "/tasks/{id}", "/secrets/{id}", "/configs/{id}"}) {
        router.add("GET", one, no_swarm_manager);
        router.add("DELETE", one, no_swarm_manager);
    }
    for (std::string_view update :
         {"/services/{id}/update", "/nodes/{id}/update", "/secrets/{id}/update", "/configs/{id}/update"})
        router.add("POST", update, no_swarm_manager);
    router.add("GET", "/services/{id}/logs", no_swarm_manager);
    router.add("GET", "/tasks/{id}/logs", no_swarm_manager);

    router.add("GET", "/plugins", no_plugins);
    router.add("GET", "/plugins/privileges", no_plugin_support);
    router.add("POST", "/plugins/pull", no_plugin_support);
    router.add("POST", "/plugins/create", no_plugin_support);
    router.add("GET", "/plugins/{name*}/json", no_such_plugin);
    for (std::string_view action :
         {"/plugins/{name*}/enable", "/plugins/{name*}/disable", "/plugins/{name*}/upgrade",
          "/plugins/{name*}/push", "/plugins/{name*}/set"})
        router.add("POST", action, no_such_plugin);
    router.add("DELETE", "/plugins/{name*}", no_such_plugin);

    router.add("POST", "/build", no_build);
    router.add("POST", "/build/cancel", no_build);
    router.add("POST", "/session", no_buildkit);
    router.add("POST", "/grpc", no_buildkit);
}

}  // namespace berth::api

// SPDX-License-Identifier: Apache-2.0
#include "spec/api/network_views.h"

#include <algorithm>

#include "api/default_networks.h"
#include "api/routes.h"
#include "engine/containers/containers.h"
#include "engine/engine.h"

namespace berth::api {

namespace {

using spec::api::Filters;
using spec::api::Network;

std::vector<Network> all_networks(const Call& call) {
    return default_networks(call.engine.config().data_root);
}

/// By name, id or the beginning of an id.
Network get_network(const Call& call, std::string_view reference) {
    std::vector<Network> networks = all_networks(call);
    for (const Network& network : networks)
        if (network.Name == reference || network.Id == reference) return network;
    for (const Network& network : networks)
        if (!reference.empty() && network.Id.starts_with(reference)) return network;
    throw make_error(ErrorKind::not_found, "network {} not found", reference);
}

void add_containers(const Call& call, Network& network) {
    for (const auto& container : call.engine.containers().all()) {
        if (!container->is_running() || container->record().host_config.NetworkMode != network.Name) continue;
        spec::api::NetworkContainer member;
        member.Name = container->record().name;
        member.EndpointID = endpoint_id(network.Id, container->id());
        network.Containers.emplace(container->id(), std::move(member));
    }
}

json::Value encode(const Call& call, const Network& network) {
    json::Value value = spec::api::encode_network(network);
    if (call.version < ApiVersion{1, 48}) value.as_object().erase("EnableIPv4");
    return value;
}

bool is_wanted(const Network& network, const Filters& filters) {
    if (!filters.exact("driver", network.Driver) || !filters.exact("scope", network.Scope)) return false;
    if (!filters.pattern("name", network.Name) || !filters.prefix("id", network.Id)) return false;
    if (!filters.labels("label", spec::api::items(network.Labels))) return false;
    // All of these networks came with the daemon, and are never dangling.
    return filters.exact("type", "builtin") && !filters.flag("dangling", false);
}

async::Task<void> list_networks(Call& call) {
    Filters filters = call.filters();
    filters.validate({"driver", "type", "name", "id", "label", "scope", "dangling"});
    for (const std::string& type : filters.get("type"))
        if (type != "custom" && type != "builtin")
            throw make_error(ErrorKind::invalid_argument, "invalid filter: 'type'='{}'", type);
    json::Array list;
    for (const Network& network : all_networks(call))
        if (is_wanted(network, filters)) list.push_back(encode(call, network));
    json::Value value = std::move(list);
    co_await call.send_json(std::move(value));
}

async::Task<void> inspect_network(Call& call) {
    Network network = get_network(call, call.param("id"));
    add_containers(call, network);
    co_await call.send_json(encode(call, network));
}

async::Task<void> create_network(Call& call) {
    co_await call.body();
    throw Error(ErrorKind::not_implemented, "this daemon has the networks none and host only");
}

async::Task<void> remove_network(Call& call) {
    Network network = get_network(call, call.param("id"));
    throw make_error(ErrorKind::forbidden, "{} is a pre-defined network and cannot be removed", network.Name);
    co_return;
}

async::Task<void> connect_container(Call& call) {
    co_await call.body();
    Network network = get_network(call, call.param("id"));
    if (network.Name == "host")
        throw Error(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host network");
    throw Error(ErrorKind::forbidden,
                "container cannot be connected to multiple networks with one of the "
                "networks in private (none) mode");
}

async::Task<void> disconnect_container(Call& call) {
    co_await call.body();
    Network network = get_network(call, call.param("id"));
    if (network.Name == "host")
        throw Error(ErrorKind::forbidden,
                    "container cannot be disconnected from host network or connected to host network");
    throw make_error(ErrorKind::forbidden, "container cannot be disconnected from network {}", network.Name);
}

async::Task<void> prune_networks(Call& call) {
    Filters filters = call.filters();
    filters.validate({"label", "label!", "until"});
    json::Object report;
    report.emplace("NetworksDeleted", nullptr);
    json::Value value = std::move(report);
    co_await call.send_json(std::move(value));
}

}  // namespace

void add_network_routes(Router& router) {
    router.add("GET", "/networks", list_networks);
    router.add("GET", "/networks/", list_networks);
    router.add("POST", "/networks/create", create_network);
    router.add("POST", "/networks/prune", prune_networks);
    router.add("GET", "/networks/{id}", inspect_network);
    router.add("POST", "/networks/{id}/connect", connect_container);
    router.add("POST", "/networks/{id}/disconnect", disconnect_container);
    router.add("DELETE", "/networks/{id}", remove_network);
}

}  // namespace berth::api

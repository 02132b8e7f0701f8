// SPDX-License-Identifier: Apache-2.0
#include "spec/api/container_config.h"

namespace berth::spec::api {

namespace {

/// "Cmd": "sh" is ["sh"], and "" is [""].
void make_list(json::Object& object, std::string_view key) {
    const json::Value* found = json::detail::find_any_case(object, key);
    if (!found || !found->is_string()) return;
    auto* value = const_cast<json::Value*>(found);
    json::Array list;
    list.push_back(*value);
    *value = std::move(list);
}

/// Lists that may be written as a string. A copy: requests are small.
json::Value with_lists(const json::Value& from) {
    if (!from.is_object()) return from;
    json::Value copy = from;
    json::Object& object = copy.get_object();
    for (std::string_view key : {"Cmd", "Entrypoint", "Shell", "OnBuild"}) make_list(object, key);
    if (json::Value* health = object.if_contains("Healthcheck"); health && health->is_object())
        make_list(health->get_object(), "Test");
    return copy;
}

/// Go's [2]uint: what is missing is 0, what is too much is dropped.
void settle(HostConfig& config) {
    config.ConsoleSize.resize(2);
}

}  // namespace

ContainerConfig decode_container_config(const json::Value& from) {
    return json::decode<ContainerConfig>(with_lists(from));
}

HostConfig decode_host_config(const json::Value& from) {
    auto config = json::decode<HostConfig>(from);
    settle(config);
    return config;
}

EndpointSettings decode_endpoint_settings(const json::Value& from) {
    return json::decode<EndpointSettings>(from);
}

NetworkingConfig decode_networking_config(const json::Value& from) {
    return json::decode<NetworkingConfig>(from);
}

ContainerCreateRequest decode_container_create_request(const json::Value& from) {
    auto request = json::decode<ContainerCreateRequest>(with_lists(from));
    if (request.HostConfig_) settle(*request.HostConfig_);
    return request;
}

json::Value encode_container_config(const ContainerConfig& config) {
    return json::encode(config, json::Omit::declared);
}

json::Value encode_host_config(const HostConfig& config) {
    return json::encode(config, json::Omit::declared);
}

json::Value encode_endpoint_settings(const EndpointSettings& settings) {
    return json::encode(settings, json::Omit::declared);
}

json::Value encode_networking_config(const NetworkingConfig& config) {
    return json::encode(config, json::Omit::declared);
}

json::Value encode_container_create_request(const ContainerCreateRequest& request) {
    return json::encode(request, json::Omit::declared);
}

}  // namespace berth::spec::api

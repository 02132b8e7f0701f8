// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/record.h"

#include <array>
#include <utility>

#include "base/json.h"
#include "engine/oci/modes.h"

namespace berth::engine {
namespace {

constexpr std::array<std::string_view, 7> kStatusNames = {"created",  "running", "paused", "restarting",
                                                          "removing", "exited",  "dead"};
constexpr std::array<std::string_view, 4> kHealthNames = {"none", "starting", "healthy", "unhealthy"};

template <typename Enum, size_t Count>
Enum parse_enum(const std::array<std::string_view, Count>& names, std::string_view text) {
    for (size_t i = 0; i < Count; ++i)
        if (names[i] == text) return static_cast<Enum>(i);
    throw make_error(ErrorKind::invalid_argument, "unknown state {}", text);
}

std::string string_of(const json::Object& from, std::string_view key) {
    const json::Value* value = from.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

int64_t number_of(const json::Object& from, std::string_view key) {
    const json::Value* value = from.if_contains(key);
    return value == nullptr || value->is_null() ? 0 : value->to_number<int64_t>();
}

bool flag_of(const json::Object& from, std::string_view key) {
    const json::Value* value = from.if_contains(key);
    return value != nullptr && value->is_bool() && value->get_bool();
}

const json::Value& value_of(const json::Object& from, std::string_view key) {
    static const json::Value none;
    const json::Value* value = from.if_contains(key);
    return value != nullptr ? *value : none;
}

json::Object encode_health(const Health& health) {
    json::Array log;
    for (const HealthProbe& probe : health.log) {
        json::Object entry;
        entry["start_ns"] = probe.start_ns;
        entry["end_ns"] = probe.end_ns;
        entry["exit_code"] = probe.exit_code;
        entry["output"] = probe.output;
        log.push_back(std::move(entry));
    }
    json::Object body;
    body["status"] = to_string(health.status);
    body["failing_streak"] = health.failing_streak;
    body["log"] = std::move(log);
    return body;
}

Health decode_health(const json::Object& from) {
    Health health;
    health.status = parse_enum<HealthStatus>(kHealthNames, string_of(from, "status"));
    health.failing_streak = static_cast<int>(number_of(from, "failing_streak"));
    if (const json::Value* log = from.if_contains("log"); log != nullptr && log->is_array()) {
        for (const json::Value& element : log->get_array()) {
            const json::Object& entry = element.as_object();
            HealthProbe probe;
            probe.start_ns = number_of(entry, "start_ns");
            probe.end_ns = number_of(entry, "end_ns");
            probe.exit_code = static_cast<int>(number_of(entry, "exit_code"));
            probe.output = string_of(entry, "output");
            health.log.push_back(std::move(probe));
        }
    }
    return health;
}

/// In the first version the network of the mode went without saying.
void name_network_of_mode(ContainerRecord& record) {
    const std::string& mode = record.host_config.NetworkMode;
    auto& networks = record.networking.EndpointsConfig;
    if (auto general = networks.extract("default")) {
        general.key() = "bridge";
        networks.insert(std::move(general));
    }
    if (!is_container_mode(mode)) networks[is_default_network(mode) ? "bridge" : mode];
}

/// What a probe printed, and names of files, may be any bytes: a row must be readable all the same.
std::string text_of(const json::Object& body) {
    return json::valid_utf8(json::print(body));
}

}  // namespace

std::string_view to_string(ContainerStatus status) {
    return kStatusNames[static_cast<size_t>(std::to_underlying(status))];
}
std::string_view to_string(HealthStatus status) {
    return kHealthNames[static_cast<size_t>(std::to_underlying(status))];
}

std::string encode_record(const ContainerRecord& record) {
    json::Object body;
    body["version"] = record.version;
    body["id"] = record.id;
    body["name"] = record.name;
    body["created_ns"] = record.created_ns;
    body["image"] = record.image;
    body["image_id"] = record.image_id;
    body["config"] = spec::api::encode_container_config(record.config);
    body["host_config"] = spec::api::encode_host_config(record.host_config);
    body["networking"] = spec::api::encode_networking_config(record.networking);
    body["service_labels"] = json::encode(record.service_labels);
    body["path"] = record.path;
    body["args"] = json::encode(record.args);
    body["mounts"] = json::encode(record.mounts);
    return text_of(body);
}

ContainerRecord decode_record(std::string_view text) {
    json::Value parsed = json::parse(text);
    const json::Object& body = parsed.as_object();
    ContainerRecord record;
    auto version = static_cast<int>(number_of(body, "version"));
    if (version < 1 || version > record.version)
        throw make_error(ErrorKind::unavailable, "a container's record has version {}: made by a newer berth",
                         version);
    record.id = string_of(body, "id");
    record.name = string_of(body, "name");
    record.created_ns = number_of(body, "created_ns");
    record.image = string_of(body, "image");
    record.image_id = string_of(body, "image_id");
    record.config = spec::api::decode_container_config(value_of(body, "config"));
    record.host_config = spec::api::decode_host_config(value_of(body, "host_config"));
    record.networking = spec::api::decode_networking_config(value_of(body, "networking"));
    if (version < 2) name_network_of_mode(record);
    if (const json::Value* labels = body.if_contains("service_labels"))
        record.service_labels = json::decode<std::map<std::string, std::string>>(*labels);
    record.path = string_of(body, "path");
    record.args = json::decode<std::vector<std::string>>(value_of(body, "args"));
    record.mounts = json::decode<std::vector<MountPoint>>(value_of(body, "mounts"));
    return record;
}

std::string encode_state(const ContainerState& state) {
    json::Object body;
    body["status"] = to_string(state.status);
    body["pid"] = state.pid;
    body["exit_code"] = state.exit_code;
    body["oom_killed"] = state.oom_killed;
    body["error"] = state.error;
    body["started_ns"] = state.started_ns;
    body["finished_ns"] = state.finished_ns;
    body["restart_count"] = state.restart_count;
    body["stopped_by_user"] = state.stopped_by_user;
    body["generation"] = state.generation;
    if (state.health.status != HealthStatus::none) body["health"] = encode_health(state.health);
    return text_of(body);
}

ContainerState decode_state(std::string_view text) {
    json::Value parsed = json::parse(text);
    const json::Object& body = parsed.as_object();
    ContainerState state;
    state.status = parse_enum<ContainerStatus>(kStatusNames, string_of(body, "status"));
    state.pid = static_cast<int>(number_of(body, "pid"));
    state.exit_code = static_cast<int>(number_of(body, "exit_code"));
    state.oom_killed = flag_of(body, "oom_killed");
    state.error = string_of(body, "error");
    state.started_ns = number_of(body, "started_ns");
    state.finished_ns = number_of(body, "finished_ns");
    state.restart_count = static_cast<int>(number_of(body, "restart_count"));
    state.stopped_by_user = flag_of(body, "stopped_by_user");
    state.generation = number_of(body, "generation");
    if (const json::Value* health = body.if_contains("health"); health != nullptr && health->is_object())
        state.health = decode_health(health->get_object());
    return state;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "spec/api/container_config.h"

namespace berth::spec::api {

namespace {

/// "Cmd": "ls" is ["ls"].
json::Value with_command_list(const json::Value& from) {
    const json::Object* object = from.if_object();
    const json::Value* command = object ? json::detail::find_any_case(*object, "Cmd") : nullptr;
    if (!command || !command->is_string()) return from;
    json::Value copy = from;
    json::Array list;
    list.push_back(*command);
    *const_cast<json::Value*>(json::detail::find_any_case(copy.get_object(), "Cmd")) = std::move(list);
    return copy;
}

/// Go's *[2]uint.
void settle(std::optional<std::vector<uint64_t>>& console_size) {
    if (console_size) console_size->resize(2);
}

}  // namespace

UpdateRequest decode_update_request(const json::Value& from) {
    return json::decode<UpdateRequest>(from);
}

ExecCreateRequest decode_exec_create_request(const json::Value& from) {
    auto request = json::decode<ExecCreateRequest>(with_command_list(from));
    settle(request.ConsoleSize);
    return request;
}

ExecStartRequest decode_exec_start_request(const json::Value& from) {
    auto request = json::decode<ExecStartRequest>(from);
    settle(request.ConsoleSize);
    return request;
}

}  // namespace berth::spec::api

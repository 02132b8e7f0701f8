// SPDX-License-Identifier: Apache-2.0
#include "spec/runtime.h"

#include "base/json.h"

namespace berth::spec {

Config decode_config(std::string_view json_text) {
    return json::decode_text<Config>(json_text);
}
Process decode_process(std::string_view json_text) {
    return json::decode_text<Process>(json_text);
}
Resources decode_resources(std::string_view json_text) {
    return json::decode_text<Resources>(json_text);
}

std::string encode_config(const Config& config, bool indented) {
    json::Value value = json::encode(config);
    return indented ? json::print_indented(value, "\t") : json::print(value);
}

std::string encode_state(const State& state) {
    return json::print(json::encode(state));
}

}  // namespace berth::spec

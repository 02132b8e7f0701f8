// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/json.h"

/// Members of what a shim answered, for its clients. What is absent is null.
namespace berth::shim {

inline const json::Value& at(const json::Object& object, std::string_view key) {
    static const json::Value kNull;
    const json::Value* value = object.if_contains(key);
    return value != nullptr ? *value : kNull;
}

/// invalid_argument, with the key, where it is no T.
template <typename T>
T get(const json::Object& object, std::string_view key) {
    T result{};
    json::decode_into(result, at(object, key), json::Path{nullptr, key, 0, false});
    return result;
}

}  // namespace berth::shim

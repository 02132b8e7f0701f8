// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

/// Bodies of the Engine API (v1.51 of its description, and what older clients still send and read).
///
/// What holds for all of this folder: members have the wire's names. An optional is null on the wire where it
/// holds nothing; a list or map is optional where Docker tells null and [] (or {}) apart, else it is always
/// written. Keys that Docker leaves out when empty are named by json_omit_empty beside the struct and
/// honoured by the encode_… functions (json::Omit::declared). Requests take keys in any case, as Docker does.
namespace berth::spec::api {

/// {}: the value of the maps that are sets on the wire ("ExposedPorts", "Volumes").
struct Empty {
    bool operator==(const Empty&) const = default;
};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

using Strings = std::vector<std::string>;
using OptionalStrings = std::optional<Strings>;
using StringMap = std::map<std::string, std::string>;
using OptionalStringMap = std::optional<StringMap>;
using StringSet = std::map<std::string, Empty>;

/// What an optional list or map holds; an empty one where it holds nothing.
template <typename Container>
const Container& items(const std::optional<Container>& from) {
    static const Container none;
    return from ? *from : none;
}
template <typename Container>
const Container& items(std::optional<Container>&& from) = delete;

/// Keys of every struct here are taken in any case.
template <typename T>
constexpr bool json_any_case(const T*) {
    return true;
}

/// Go's zero time, which Docker writes for "never".
inline constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

}  // namespace berth::spec::api

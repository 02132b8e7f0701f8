// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <cmath>

#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

void check_string(std::string_view text) {
    json::Value value = json::parse(json::print_string(text));
    require(value.is_string(), "print_string makes a string");
    require(value.get_string() == fuzz::replace_invalid_utf8(text), "print_string keeps all that is UTF-8");
}

/// Boost.JSON's reader of decimal fractions may miss the last bits, so doubles are equal if they are nearly
/// so.
bool same(const json::Value& a, const json::Value& b) {
    if (a.kind() != b.kind()) return false;
    if (a.is_double()) {
        double tolerance = std::max(std::abs(a.get_double()) * 1e-14, 1e-300);
        return std::abs(a.get_double() - b.get_double()) <= tolerance;
    }
    if (a.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), same);
    if (!a.is_object()) return a == b;
    return std::ranges::equal(a.get_object(), b.get_object(), [](const auto& left, const auto& right) {
        return left.key() == right.key() && same(left.value(), right.value());
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    check_string(text);
    json::Value value;
    if (!fuzz::is_valid([&] { value = json::parse(text); })) return 0;
    require(same(json::parse(json::print(value)), value), "what is printed is read back the same");
    require(same(json::parse(json::print_indented(value)), value), "indentation changes nothing");
    return 0;
}

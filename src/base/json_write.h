// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>

#include "base/json.h"

namespace berth::json {

namespace detail {

template <typename T>
void append_number(std::string& out, T number) {
    char text[24];
    auto end = std::to_chars(text, text + sizeof text, number).ptr;
    out.append(text, end);
}

/// Whether Omit leaves this member out.
template <typename Member>
bool is_omitted(const Member& value, Omit omit, bool declared) {
    if (omit == Omit::declared) return declared && is_zero(value);
    if (omit == Omit::nothing || std::is_arithmetic_v<Member>) return false;
    if constexpr (is_optional<Member>::value)
        return !value;
    else
        return is_zero(value);
}

}  // namespace detail

/// print(encode(from, omit)) added to `out`, without the values in between: for answers of many structs.
/// Strings that are not UTF-8 are written as print_string() does.
template <typename T>
void append(std::string& out, const T& from, Omit omit = Omit::empty) {
    if constexpr (std::same_as<T, Value>) {
        out += print(from);
    } else if constexpr (detail::is_optional<T>::value) {
        if (from)
            append(out, *from, omit);
        else
            out += "null";
    } else if constexpr (std::same_as<T, bool>) {
        out += from ? "true" : "false";
    } else if constexpr (detail::DescribedEnum<T>) {
        append_string(out, boost::describe::enum_to_string(from, ""));
    } else if constexpr (std::integral<T>) {
        detail::append_number(out, from);
    } else if constexpr (std::floating_point<T>) {
        out += print(Value(static_cast<double>(from)));
    } else if constexpr (std::same_as<T, std::string>) {
        append_string(out, from);
    } else if constexpr (detail::TextValue<T>) {
        append_string(out, from.text());
    } else if constexpr (detail::is_vector<T>::value) {
        char before = '[';
        for (const auto& element : from) {
            out += before;
            before = ',';
            append(out, element, omit);
        }
        out += from.empty() ? "[]" : "]";
    } else if constexpr (detail::is_string_map<T>::value) {
        char before = '{';
        for (const auto& [key, element] : from) {
            out += before;
            before = ',';
            append_string(out, key);
            out += ':';
            append(out, element, omit);
        }
        out += from.empty() ? "{}" : "}";
    } else {
        static_assert(detail::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
        char before = '{';
        boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
            const auto& value = from.*member.pointer;
            constexpr bool declared = detail::declared_omit<T>(decltype(member)::name);
            if (detail::is_omitted(value, omit, declared)) return;
            out += before;
            before = ',';
            out += '"';
            out += detail::wire_name<T>(member.name);
            out += "\":";
            append(out, value, omit);
        });
        out += before == '{' ? "{}" : "}";
    }
}

}  // namespace berth::json

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/members.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>

#include <concepts>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

/// The one codec between JSON and the structs that describe the wire.
///
/// A struct is made known with BOOST_DESCRIBE_STRUCT(Name, (), (member, …)); its members carry the names of
/// the wire
/// ("noNewPrivileges"), with a trailing '_' where the name is a C++ keyword ("class_").
/// A struct whose names on the wire are no C++ names has a function beside it that argument-dependent lookup
/// finds: `constexpr std::string_view json_key(const Name*, std::string_view member)`. A type with `static T
/// parse(std::string_view)`, `text()` and `empty()` is a string on the wire (Digest). Decoding ignores
/// unknown keys, takes null for a missing key, and leaves a missing key at the member's default. Errors are
/// invalid_argument and name the field: "process.args[2]: expected a string, found a number".
namespace berth::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

/// Throws invalid_argument with line and column. Accepts only one value, at most 64 levels deep; a number
/// that no double can hold (1e400) is refused by its path.
Value parse(std::string_view text);

/// For json_omit_empty: whether `name` is one of `names`.
template <typename... Names>
constexpr bool is_one_of(std::string_view name, Names... names) {
    return ((name == std::string_view(names)) || ...);
}

std::string print(const Value& value);
/// Two spaces for each level, keys in the value's order, no newline at the end.
std::string print_indented(const Value& value, std::string_view indent = "  ");
/// `text` as a JSON string, with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string print_string(std::string_view text);
/// The same, added to `out`.
void append_string(std::string& out, std::string_view text);
/// `text` with U+FFFD for each byte that is not UTF-8: for printed JSON, whose strings may come from names of
/// files.
std::string valid_utf8(std::string text);

/// The place of a value in its document, for messages. A chain of stack frames: nothing is allocated until an
/// error.
struct Path {
    const Path* parent = nullptr;
    std::string_view key;
    size_t index = 0;
    bool is_index = false;

    std::string text() const;
};

[[noreturn]] void fail_type(const Path& path, std::string_view expected, const Value& found);
[[noreturn]] void fail_value(const Path& path, std::string_view problem);

namespace detail {

template <typename T>
struct is_optional : std::false_type {};
template <typename T>
struct is_optional<std::optional<T>> : std::true_type {};
template <typename T>
struct is_vector : std::false_type {};
template <typename T>
struct is_vector<std::vector<T>> : std::true_type {};
template <typename T>
struct is_string_map : std::false_type {};
template <typename T>
struct is_string_map<std::map<std::string, T>> : std::true_type {};

template <typename T>
concept Described = boost::describe::has_describe_members<T>::value;
template <typename T>
concept DescribedEnum = boost::describe::has_describe_enumerators<T>::value;

/// A value with a text of its own.
template <typename T>
concept TextValue = !Described<T> && requires(const T& value, std::string_view text) {
    { T::parse(text) } -> std::same_as<T>;
    { value.text() } -> std::convertible_to<std::string_view>;
    { value.empty() } -> std::same_as<bool>;
};

/// "class_" on the C++ side is "class" on the wire.
template <typename T>
constexpr std::string_view wire_name(const char* member) {
    std::string_view name = member;
    if constexpr (requires { json_key(static_cast<const T*>(nullptr), name); })
        name = json_key(static_cast<const T*>(nullptr), name);
    if (name.ends_with('_')) name.remove_suffix(1);
    return name;
}

bool decode_bool(const Value& from, const Path& path);
int64_t decode_int64(const Value& from, const Path& path);
uint64_t decode_uint64(const Value& from, const Path& path);
double decode_double(const Value& from, const Path& path);
std::string_view decode_string(const Value& from, const Path& path);
const Array& decode_array(const Value& from, const Path& path);
const Object& decode_object(const Value& from, const Path& path);
const Value* find(const Object& object, std::string_view key);
/// As find; else the first key that is equal without regard to (ASCII) case.
const Value* find_any_case(const Object& object, std::string_view key);

template <typename T>
constexpr bool any_case() {
    if constexpr (requires { json_any_case(static_cast<const T*>(nullptr)); })
        return json_any_case(static_cast<const T*>(nullptr));
    else
        return false;
}

template <typename T>
constexpr bool declared_omit(const char* member) {
    if constexpr (requires { json_omit_empty(static_cast<const T*>(nullptr), std::string_view{}); })
        return json_omit_empty(static_cast<const T*>(nullptr), wire_name<T>(member));
    else
        return false;
}

/// What Go's omitempty leaves out: false, 0, null, and what has no elements. Never a struct.
template <typename T>
bool is_zero(const T& value) {
    if constexpr (is_optional<T>::value) {
        using Held = typename T::value_type;
        if constexpr (is_vector<Held>::value || is_string_map<Held>::value)
            return !value || value->empty();
        else
            return !value;
    } else if constexpr (std::is_arithmetic_v<T>) {
        return value == T{};
    } else if constexpr (std::same_as<T, Value>) {
        return value.is_null();
    } else if constexpr (requires { value.empty(); }) {
        return value.empty();
    } else {
        return false;
    }
}

template <typename T>
using Members =
    boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>;

}  // namespace detail

template <typename T>
void decode_into(T& into, const Value& from, const Path& path) {
    if constexpr (std::same_as<T, Value>) {
        into = from;
    } else if constexpr (detail::is_optional<T>::value) {
        if (!from.is_null()) decode_into(into.emplace(), from, path);
    } else if constexpr (std::same_as<T, bool>) {
        if (!from.is_null()) into = detail::decode_bool(from, path);
    } else if constexpr (detail::DescribedEnum<T>) {
        if (from.is_null()) return;
        std::string name(detail::decode_string(from, path));
        if (!boost::describe::enum_from_string(name.c_str(), into))
            fail_value(path, "unknown value \"" + name + '"');
    } else if constexpr (std::integral<T>) {
        if (from.is_null()) return;
        if constexpr (std::is_signed_v<T>) {
            int64_t number = detail::decode_int64(from, path);
            if (!std::in_range<T>(number))
                fail_value(path, "the number " + std::to_string(number) + " is out of range");
            into = static_cast<T>(number);
        } else {
            uint64_t number = detail::decode_uint64(from, path);
            if (!std::in_range<T>(number))
                fail_value(path, "the number " + std::to_string(number) + " is out of range");
            into = static_cast<T>(number);
        }
    } else if constexpr (std::floating_point<T>) {
        if (!from.is_null()) into = static_cast<T>(detail::decode_double(from, path));
    } else if constexpr (std::same_as<T, std::string>) {
        if (!from.is_null()) into = detail::decode_string(from, path);
    } else if constexpr (detail::TextValue<T>) {
        if (from.is_null()) return;
        std::string_view text = detail::decode_string(from, path);
        if (!text.empty()) into = with_context([&] { return path.text(); }, [&] { return T::parse(text); });
    } else if constexpr (detail::is_vector<T>::value) {
        if (from.is_null()) return;
        const Array& array = detail::decode_array(from, path);
        into.clear();
        into.reserve(array.size());
        for (size_t i = 0; i < array.size(); ++i) {
            typename T::value_type element{};
            decode_into(element, array[i], Path{&path, {}, i, true});
            into.push_back(std::move(element));
        }
    } else if constexpr (detail::is_string_map<T>::value) {
        if (from.is_null()) return;
        into.clear();
        for (const auto& member : detail::decode_object(from, path)) {
            std::string_view key = member.key();
            decode_into(into[std::string(key)], member.value(), Path{&path, key, 0, false});
        }
    } else {
        static_assert(detail::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
        if (from.is_null()) return;
        const Object& object = detail::decode_object(from, path);
        boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
            std::string_view key = detail::wire_name<T>(member.name);
            const Value* value = nullptr;
            if constexpr (detail::any_case<T>())
                value = detail::find_any_case(object, key);
            else
                value = detail::find(object, key);
            if (value) decode_into(into.*member.pointer, *value, Path{&path, key, 0, false});
        });
    }
}

/// A T from `from`. `what` is put before the path in messages ("config.json").
template <typename T>
T decode(const Value& from) {
    T result{};
    decode_into(result, from, Path{});
    return result;
}

/// Which members of a struct are written.
enum class Omit {
    nothing,
    empty,     ///< leaves out empty optionals, strings, vectors and maps, as Go's omitempty does (numbers and
               ///< bools stay)
    declared,  ///< leaves out those members that json_omit_empty names, where they are empty in Go's sense
               ///< (also 0 and false); all others are written, empty optionals as null
};

template <typename T>
Value encode(const T& from, Omit omit = Omit::empty) {
    if constexpr (std::same_as<T, Value>) {
        return from;
    } else if constexpr (detail::is_optional<T>::value) {
        return from ? encode(*from, omit) : Value(nullptr);
    } else if constexpr (std::same_as<T, bool>) {
        return Value(from);
    } else if constexpr (detail::DescribedEnum<T>) {
        return Value(boost::describe::enum_to_string(from, ""));
    } else if constexpr (std::integral<T>) {
        if constexpr (std::is_signed_v<T>)
            return Value(static_cast<int64_t>(from));
        else
            return Value(static_cast<uint64_t>(from));
    } else if constexpr (std::floating_point<T>) {
        return Value(static_cast<double>(from));
    } else if constexpr (std::same_as<T, std::string>) {
        return Value(from);
    } else if constexpr (detail::TextValue<T>) {
        return Value(boost::json::string(from.text()));
    } else if constexpr (detail::is_vector<T>::value) {
        Array array;
        array.reserve(from.size());
        for (const auto& element : from) array.push_back(encode(element, omit));
        return array;
    } else if constexpr (detail::is_string_map<T>::value) {
        Object object;
        for (const auto& [key, element] : from) object.emplace(key, encode(element, omit));
        return object;
    } else {
        static_assert(detail::Described<T>, "describe the struct with BOOST_DESCRIBE_STRUCT");
        Object object;
        boost::mp11::mp_for_each<detail::Members<T>>([&](auto member) {
            const auto& value = from.*member.pointer;
            using Member = std::remove_cvref_t<decltype(value)>;
            if (omit == Omit::empty) {
                if constexpr (detail::is_optional<Member>::value) {
                    if (!value) return;
                } else if constexpr (std::same_as<Member, std::string> || detail::is_vector<Member>::value ||
                                     detail::is_string_map<Member>::value || detail::TextValue<Member>) {
                    if (value.empty()) return;
                } else if constexpr (std::same_as<Member, Value>) {
                    if (value.is_null()) return;
                }
            }
            constexpr bool declared = detail::declared_omit<T>(decltype(member)::name);
            if constexpr (declared) {
                if (omit == Omit::declared && detail::is_zero(value)) return;
            }
            object.emplace(detail::wire_name<T>(member.name), encode(value, omit));
        });
        return object;
    }
}

/// decode(parse(text)).
template <typename T>
T decode_text(std::string_view text) {
    return decode<T>(parse(text));
}

}  // namespace berth::json

// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <algorithm>
#include <cmath>

namespace berth::json {

namespace {

std::string_view name_of(const Value& value) {
    switch (value.kind()) {
        case boost::json::kind::null: return "null";
        case boost::json::kind::bool_: return "a boolean";
        case boost::json::kind::int64:
        case boost::json::kind::uint64:
        case boost::json::kind::double_: return "a number";
        case boost::json::kind::string: return "a string";
        case boost::json::kind::array: return "an array";
        case boost::json::kind::object: return "an object";
    }
    return "something else";
}

void append_place(std::string& out, std::string_view text, size_t offset) {
    size_t line = 1, column = 1;
    for (char c : text.substr(0, offset)) {
        if (c == '\n') {
            ++line;
            column = 1;
        } else {
            ++column;
        }
    }
    out += fmt::format("line {}, column {}", line, column);
}

void print_indented(std::string& out, const Value& value, std::string_view indent, size_t level) {
    auto new_line = [&](size_t depth) {
        out += '\n';
        for (size_t i = 0; i < depth; ++i) out += indent;
    };
    if (value.is_object() && !value.get_object().empty()) {
        out += '{';
        bool first = true;
        for (const auto& member : value.get_object()) {
            if (!first) out += ',';
            first = false;
            new_line(level + 1);
            out += print_string(member.key());
            out += ": ";
            print_indented(out, member.value(), indent, level + 1);
        }
        new_line(level);
        out += '}';
    } else if (value.is_array() && !value.get_array().empty()) {
        out += '[';
        bool first = true;
        for (const auto& element : value.get_array()) {
            if (!first) out += ',';
            first = false;
            new_line(level + 1);
            print_indented(out, element, indent, level + 1);
        }
        new_line(level);
        out += ']';
    } else {
        out += boost::json::serialize(value);
    }
}

/// Boost.JSON reads 1e400 as infinity, and would print that as "Infinity", which is not JSON.
void check_finite(const Value& value, const Path& path) {
    if (value.is_double()) {
        if (!std::isfinite(value.get_double())) fail_value(path, "the number is out of range");
    } else if (value.is_object()) {
        for (const auto& member : value.get_object())
            check_finite(member.value(), Path{&path, member.key(), 0, false});
    } else if (value.is_array()) {
        const Array& array = value.get_array();
        for (size_t i = 0; i < array.size(); ++i) check_finite(array[i], Path{&path, {}, i, true});
    }
}

/// The length of the UTF-8 sequence at the start of `text`, 0 if there is none.
size_t utf8_length(std::string_view text) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char lead = byte(0);
    size_t length = lead < 0x80                   ? 1
                    : lead >= 0xc2 && lead < 0xe0 ? 2
                    : lead >= 0xe0 && lead < 0xf0 ? 3
                    : lead >= 0xf0 && lead < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || text.size() < length) return 0;
    for (size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
    if (lead == 0xed && byte(1) >= 0xa0) return 0;  // surrogate
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) >= 0x90) return 0;
    return length;
}

}  // namespace

Value parse(std::string_view text) {
    boost::json::parse_options options;
    options.max_depth = 64;
    boost::json::parser parser({}, options);
    boost::system::error_code error;
    size_t consumed = parser.write_some(text.data(), text.size(), error);
    if (!error && consumed < text.size() &&
        text.find_first_not_of(" \t\r\n", consumed) != std::string_view::npos)
        error = boost::json::error::extra_data;
    if (error) {
        std::string message = "not valid JSON at ";
        append_place(message, text, consumed);
        throw Error(ErrorKind::invalid_argument, message + ": " + error.message());
    }
    Value value = parser.release();
    check_finite(value, Path{});
    return value;
}

std::string print(const Value& value) {
    return boost::json::serialize(value);
}

std::string print_indented(const Value& value, std::string_view indent) {
    std::string out;
    print_indented(out, value, indent, 0);
    return out;
}

void append_string(std::string& out, std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += '"';
    while (!text.empty()) {
        size_t plain = 0;
        while (plain < text.size() && text[plain] >= 0x20 && text[plain] < 0x7f && text[plain] != '"' &&
               text[plain] != '\\')
            ++plain;
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        size_t length = utf8_length(text);
        unsigned char c = static_cast<unsigned char>(text[0]);
        if (length == 0) {
            out += "\\ufffd";
            length = 1;
        } else if (length > 1) {
            out += text.substr(0, length);
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += text[0];
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else {
            out += "\\u00";
            out += kDigits[c >> 4];
            out += kDigits[c & 15];
        }
        text.remove_prefix(length);
    }
    out += '"';
}

std::string print_string(std::string_view text) {
    std::string out;
    append_string(out, text);
    return out;
}

std::string valid_utf8(std::string text) {
    constexpr std::string_view kReplacement = "\xef\xbf\xbd";
    std::string_view rest = text;
    std::string valid;
    bool changed = false;
    while (!rest.empty()) {
        size_t good = 0;
        while (good < rest.size()) {
            size_t length =
                static_cast<unsigned char>(rest[good]) < 0x80 ? 1 : utf8_length(rest.substr(good));
            if (length == 0) break;
            good += length;
        }
        if (good == rest.size() && !changed) return text;
        changed = true;
        valid += rest.substr(0, good);
        if (good == rest.size()) break;
        valid += kReplacement;
        rest.remove_prefix(good + 1);
    }
    return changed ? valid : text;
}

std::string Path::text() const {
    std::string prefix = parent != nullptr ? parent->text() : "";
    if (is_index) return prefix + '[' + std::to_string(index) + ']';
    if (key.empty()) return prefix;
    return prefix.empty() ? std::string(key) : prefix + '.' + std::string(key);
}

void fail_type(const Path& path, std::string_view expected, const Value& found) {
    fail_value(path, fmt::format("expected {}, found {}", expected, name_of(found)));
}

void fail_value(const Path& path, std::string_view problem) {
    std::string place = path.text();
    throw Error(ErrorKind::invalid_argument,
                place.empty() ? std::string(problem) : fmt::format("{}: {}", place, problem));
}

namespace detail {

bool decode_bool(const Value& from, const Path& path) {
    if (!from.is_bool()) fail_type(path, "a boolean", from);
    return from.get_bool();
}

int64_t decode_int64(const Value& from, const Path& path) {
    if (from.is_int64()) return from.get_int64();
    if (from.is_uint64()) fail_value(path, fmt::format("the number {} is out of range", from.get_uint64()));
    fail_type(path, "an integer", from);
}

uint64_t decode_uint64(const Value& from, const Path& path) {
    if (from.is_uint64()) return from.get_uint64();
    if (from.is_int64()) {
        if (from.get_int64() < 0)
            fail_value(path, fmt::format("the number {} is negative", from.get_int64()));
        return static_cast<uint64_t>(from.get_int64());
    }
    fail_type(path, "an integer", from);
}

double decode_double(const Value& from, const Path& path) {
    if (!from.is_number()) fail_type(path, "a number", from);
    return from.to_number<double>();
}

std::string_view decode_string(const Value& from, const Path& path) {
    if (!from.is_string()) fail_type(path, "a string", from);
    return {from.get_string().data(), from.get_string().size()};
}

const Array& decode_array(const Value& from, const Path& path) {
    if (!from.is_array()) fail_type(path, "an array", from);
    return from.get_array();
}

const Object& decode_object(const Value& from, const Path& path) {
    if (!from.is_object()) fail_type(path, "an object", from);
    return from.get_object();
}

const Value* find(const Object& object, std::string_view key) {
    return object.if_contains(key);
}

const Value* find_any_case(const Object& object, std::string_view key) {
    if (const Value* exact = object.if_contains(key)) return exact;
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    for (const auto& member : object) {
        std::string_view name = member.key();
        if (name.size() == key.size() && std::equal(name.begin(), name.end(), key.begin(),
                                                    [&](char a, char b) { return lower(a) == lower(b); }))
            return &member.value();
    }
    return nullptr;
}

}  // namespace detail

}  // namespace berth::json

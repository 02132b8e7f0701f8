// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/decimal.h"
#include "base/error.h"
#include "base/strings.h"

namespace berth::oci {

namespace {

const Flag* find(std::span<const Flag> table, std::string_view name) {
    auto found = std::ranges::find_if(table, [&](const Flag& flag) {
        return flag.name == name || (!flag.alias.empty() && flag.alias == name);
    });
    return found == table.end() ? nullptr : &*found;
}

/// Go's ParseInt with base 0.
std::optional<int64_t> parse_integer(std::string_view text) {
    bool negative = text.starts_with('-');
    std::string_view digits = text.starts_with('+') || negative ? text.substr(1) : text;
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
        base = 16;
    } else if (digits.starts_with("0o") || digits.starts_with("0O")) {
        base = 8;
    } else if (digits.starts_with("0b") || digits.starts_with("0B")) {
        base = 2;
    } else if (digits.size() > 1 && digits.starts_with('0')) {
        base = 8;
    }
    if (base != 10) digits.remove_prefix(digits.size() > 1 && digits[1] > '9' ? 2 : 1);
    if (digits.starts_with('-')) return std::nullopt;
    return parse_number<int64_t>((negative ? "-" : "") + std::string(digits), base);
}

void check_value(const Flag& flag, std::string_view name, const std::string& value) {
    auto fail = [&](std::string_view format) {
        throw Error(ErrorKind::invalid_argument, fmt::format(fmt::runtime(format), quote(value), name));
    };
    switch (flag.kind) {
        case Flag::Kind::boolean:
            if (!parse_bool(value)) fail("invalid boolean value {} for -{}: parse error");
            break;
        case Flag::Kind::number:
        case Flag::Kind::numbers:
            if (!parse_integer(value)) fail("invalid value {} for flag -{}: parse error");
            break;
        case Flag::Kind::duration:
            if (!parse_duration(value)) fail("invalid value {} for flag -{}: parse error");
            break;
        case Flag::Kind::text:
        case Flag::Kind::texts: break;
    }
}

}  // namespace

Flags parse_flags(std::span<const Flag> table, std::span<const std::string> words, size_t& used) {
    Flags flags;
    for (used = 0; used < words.size();) {
        std::string_view word = words[used];
        if (word.size() < 2 || word[0] != '-') return flags;
        ++used;
        if (word == "--") return flags;

        std::string_view name = word.substr(word[1] == '-' ? 2 : 1);
        if (name.empty() || name[0] == '-' || name[0] == '=')
            throw make_error(ErrorKind::invalid_argument, "bad flag syntax: {}", word);
        size_t equals = name.find('=');
        bool has_value = equals != std::string_view::npos;
        std::string value(has_value ? name.substr(equals + 1) : "");
        name = name.substr(0, equals);

        const Flag* flag = find(table, name);
        if (!flag) throw make_error(ErrorKind::invalid_argument, "flag provided but not defined: -{}", name);
        if (!has_value && flag->kind == Flag::Kind::boolean) {
            value = "true";
        } else if (!has_value) {
            if (used == words.size())
                throw make_error(ErrorKind::invalid_argument, "flag needs an argument: -{}", name);
            value = words[used++];
        }
        check_value(*flag, name, value);
        flags.values_[flag->name].push_back(std::move(value));
    }
    return flags;
}

bool Flags::is_set(std::string_view name) const {
    return values_.contains(name);
}

bool Flags::boolean(std::string_view name) const {
    auto found = values_.find(name);
    return found != values_.end() && *parse_bool(found->second.back());
}

std::string Flags::text(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::string() : found->second.back();
}

std::optional<int64_t> Flags::number(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : parse_integer(found->second.back());
}

std::optional<std::chrono::nanoseconds> Flags::duration(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : parse_duration(found->second.back());
}

std::vector<std::string> Flags::texts(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::vector<int64_t> Flags::numbers(std::string_view name) const {
    std::vector<int64_t> numbers;
    for (const std::string& value : texts(name)) numbers.push_back(*parse_integer(value));
    return numbers;
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    struct Unit {
        std::string_view name;
        double nanoseconds;
    };
    // Longer names first: "ms" before "m".
    static constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                                    {"us", 1e3},
                                                    {"µs", 1e3},
                                                    {"μs", 1e3},
                                                    {"ms", 1e6},
                                                    {"s", 1e9},
                                                    {"m", 60e9},
                                                    {"h", 3600e9}}};
    double sign = 1;
    if (text.starts_with('-') || text.starts_with('+')) {
        sign = text[0] == '-' ? -1 : 1;
        text.remove_prefix(1);
    }
    if (text == "0") return std::chrono::nanoseconds(0);
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        std::optional<double> amount = take_decimal(text);
        if (!amount) return std::nullopt;
        auto unit = std::ranges::find_if(kUnits, [&](const Unit& u) { return text.starts_with(u.name); });
        if (unit == kUnits.end()) return std::nullopt;
        text.remove_prefix(unit->name.size());
        total += *amount * unit->nanoseconds;
    }
    if (total > 9e18) return std::nullopt;
    return std::chrono::nanoseconds(std::llround(sign * total));
}

std::optional<bool> parse_bool(std::string_view text) {
    for (std::string_view yes : {"1", "t", "T", "true", "True", "TRUE"})
        if (text == yes) return true;
    for (std::string_view no : {"0", "f", "F", "false", "False", "FALSE"})
        if (text == no) return false;
    return std::nullopt;
}

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "engine/system/timestamp.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "spec/timestamp.h"

namespace berth::engine {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

/// "seconds" or "seconds.fraction"; digits past nanoseconds are dropped.
std::optional<int64_t> parse_unix(std::string_view text) {
    size_t dot = text.find('.');
    std::optional<int64_t> seconds = parse_number<int64_t>(text.substr(0, dot));
    if (!seconds || *seconds > INT64_MAX / kSecond - 1 || *seconds < INT64_MIN / kSecond + 1)
        return std::nullopt;
    if (dot == std::string_view::npos) return *seconds * kSecond;
    std::string fraction(text.substr(dot + 1));
    if (fraction.empty() || fraction.find_first_not_of("0123456789") != std::string::npos)
        return std::nullopt;
    fraction.resize(9, '0');
    return *seconds * kSecond + *parse_number<int64_t>(fraction);
}

/// The zone at the end, as it is written there; "" for none.
std::string_view zone_of(std::string_view time) {
    size_t sign = time.find_first_of("Zz+-");
    return sign == std::string_view::npos ? std::string_view() : time.substr(sign);
}

int64_t local_offset_s(int64_t as_if_utc_ns) {
    time_t seconds = static_cast<time_t>(as_if_utc_ns / kSecond);
    tm broken{};
    if (!gmtime_r(&seconds, &broken)) return 0;
    broken.tm_isdst = -1;
    time_t local = mktime(&broken);
    return local == -1 ? 0 : static_cast<int64_t>(seconds - local);
}

std::optional<int64_t> parse_date(std::string_view text) {
    if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    std::string date(text.substr(0, 10));
    std::string_view rest = text.substr(10);
    std::string_view zone;
    std::string time = "00:00:00";
    if (rest.starts_with('T')) {
        zone = zone_of(rest);
        time = rest.substr(1, rest.size() - 1 - zone.size());
        if (time.size() == 2) time += ":00";
        if (time.size() == 5) time += ":00";
    } else {
        zone = rest;
    }
    std::string full = date + 'T' + time;
    if (!zone.empty()) return spec::parse_rfc3339(full + std::string(zone));
    std::optional<int64_t> as_if_utc = spec::parse_rfc3339(full + 'Z');
    if (!as_if_utc) return std::nullopt;
    return *as_if_utc - local_offset_s(*as_if_utc) * kSecond;
}

}  // namespace

std::optional<int64_t> parse_go_duration(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, double>, 8> kUnits = {{
        {"ns", 1},
        {"us", 1e3},
        {"\xc2\xb5s", 1e3},
        {"\xce\xbcs", 1e3},
        {"ms", 1e6},
        {"s", 1e9},
        {"m", 6e10},
        {"h", 3.6e12},
    }};
    bool is_negative = text.starts_with('-');
    if (is_negative || text.starts_with('+')) text.remove_prefix(1);
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    double sum = 0;
    while (!text.empty()) {
        size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
        double number = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
        if (digits == 0 || error != std::errc{} || end != text.data() + digits) return std::nullopt;
        text.remove_prefix(digits);
        double factor = 0;
        for (const auto& [name, ns] : kUnits) {
            if (!text.starts_with(name)) continue;
            factor = ns;
            text.remove_prefix(name.size());
            break;
        }
        if (factor == 0) return std::nullopt;
        sum += number * factor;
    }
    if (sum > 9.2e18) return std::nullopt;
    auto ns = static_cast<int64_t>(std::llround(sum));
    return is_negative ? -ns : ns;
}

int64_t parse_timestamp(std::string_view text, int64_t now_ns) {
    if (auto time = parse_unix(text)) return *time;
    if (auto time = parse_date(text)) return *time;
    if (auto ago = parse_go_duration(text)) return now_ns - *ago;
    throw make_error(ErrorKind::invalid_argument, "failed to parse value as time or duration: {}",
                     quote(text));
}

std::optional<int64_t> parse_optional_timestamp(std::string_view text, int64_t now_ns) {
    if (text.empty() || text == "0") return std::nullopt;
    return parse_timestamp(text, now_ns);
}

}  // namespace berth::engine

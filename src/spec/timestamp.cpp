// SPDX-License-Identifier: Apache-2.0
#include "spec/timestamp.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace berth::spec {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Takes fixed parts off the front of a text.
struct Reader {
    std::string_view rest;
    bool failed = false;

    int number(size_t digits) {
        std::string_view part = rest.substr(0, digits);
        if (part.size() != digits || !std::ranges::all_of(part, is_digit)) failed = true;
        rest.remove_prefix(part.size());
        return failed ? 0 : *parse_number<int>(part);
    }
    bool skip(char c) {
        if (!rest.starts_with(c)) return false;
        rest.remove_prefix(1);
        return true;
    }
    void expect(char c) {
        if (!skip(c)) failed = true;
    }
};

}  // namespace

std::optional<int64_t> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    Reader reader{text};
    year_month_day date;
    {
        int y = reader.number(4);
        reader.expect('-');
        int m = reader.number(2);
        reader.expect('-');
        int d = reader.number(2);
        date = year(y) / m / d;
    }
    reader.expect('T');
    int hour = reader.number(2);
    reader.expect(':');
    int minute = reader.number(2);
    reader.expect(':');
    int second = reader.number(2);
    int64_t fraction = 0;
    if (reader.skip('.')) {
        size_t digits = std::min(reader.rest.find_first_not_of("0123456789"), reader.rest.size());
        if (digits == 0) return std::nullopt;
        for (size_t i = 0; i < 9; ++i) fraction = fraction * 10 + (i < digits ? reader.rest[i] - '0' : 0);
        reader.rest.remove_prefix(digits);
    }
    int offset = 0;  // minutes east of Greenwich
    if (!reader.skip('Z')) {
        bool west = reader.rest.starts_with('-');
        if (!west && !reader.rest.starts_with('+')) return std::nullopt;
        reader.rest.remove_prefix(1);
        int hours = reader.number(2);
        reader.expect(':');
        int minutes = reader.number(2);
        if (hours > 23 || minutes > 59) return std::nullopt;
        offset = (hours * 60 + minutes) * (west ? -1 : 1);
    }
    // A leap second counts as the first of the next minute.
    if (reader.failed || !reader.rest.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60)
        return std::nullopt;
    if (date.year() < year(1678) || date.year() > year(2261)) return std::nullopt;
    sys_seconds time = sys_days(date) + hours(hour) + minutes(minute - offset) + seconds(second);
    return time.time_since_epoch().count() * 1'000'000'000 + fraction;
}

}  // namespace berth::spec

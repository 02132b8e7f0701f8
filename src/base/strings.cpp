// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <cerrno>
#include <chrono>
#include <ctime>

#include "base/error.h"

namespace berth {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    if (text.empty()) return parts;
    while (true) {
        size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::vector<std::string_view> split_fields(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    std::vector<std::string_view> parts;
    while (true) {
        size_t begin = text.find_first_not_of(kBlank);
        if (begin == std::string_view::npos) return parts;
        text.remove_prefix(begin);
        size_t end = text.find_first_of(kBlank);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end);
    }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string result;
    for (const std::string& part : parts) {
        if (&part != &parts.front()) result += separator;
        result += part;
    }
    return result;
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string quote(std::string_view text) {
    std::string result = "\"";
    for (char c : text) {
        switch (c) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\n': result += "\\n"; break;
            case '\r': result += "\\r"; break;
            case '\t': result += "\\t"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                    result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
                else
                    result += c;
        }
    }
    return result += '"';
}

std::string random_hex(size_t bytes) {
    std::string raw(bytes, '\0');
    for (size_t filled = 0; filled < bytes;) {
        ssize_t got = ::getrandom(raw.data() + filled, bytes - filled, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw errno_error(errno, "getrandom");
        filled += static_cast<size_t>(got);
    }
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (unsigned char byte : raw) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

// Not gmtime_r: it drags the time zone code of libc, and with it scanf, into every static program.
std::string rfc3339(int64_t time_ns) {
    using namespace std::chrono;
    sys_time<nanoseconds> time{nanoseconds(time_ns)};
    sys_days day = floor<days>(time);
    year_month_day date(day);
    hh_mm_ss<nanoseconds> clock(time - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace berth

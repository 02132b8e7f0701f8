// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <errno.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "sys/file.h"

namespace berth::app {

namespace {

/// Columns that a text takes, for UTF-8 without wide characters.
size_t width_of(std::string_view text) {
    return static_cast<size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void print_out(std::string_view text) {
    while (!text.empty()) {
        ssize_t written = sys::retry([&] { return write(STDOUT_FILENO, text.data(), text.size()); });
        if (written < 0 && errno == EPIPE) throw OutputClosed{};
        sys::check(written, "write to standard output");
        text.remove_prefix(static_cast<size_t>(written));
    }
}

void print_error(std::string_view text) noexcept {
    while (!text.empty()) {
        ssize_t written = write(STDERR_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        text.remove_prefix(static_cast<size_t>(written));
    }
}

std::string Table::text() const {
    constexpr size_t kMinWidth = 10, kPadding = 3;
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
        if (widths.size() < row.size()) widths.resize(row.size());
        for (size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max({widths[i], kMinWidth, width_of(row[i]) + kPadding});
    }
    std::string text;
    for (const auto& row : rows_) {
        for (size_t i = 0; i < row.size(); ++i) {
            text += row[i];
            if (i + 1 < row.size()) text.append(widths[i] - width_of(row[i]), ' ');
        }
        text += '\n';
    }
    return text;
}

std::string human_size(uint64_t bytes, int digits) {
    constexpr std::array<std::string_view, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    auto size = static_cast<double>(bytes);
    size_t unit = 0;
    for (; size >= 1000.0 && unit + 1 < kUnits.size(); ++unit) size /= 1000.0;
    return fmt::format("{:.{}g}{}", size, digits, kUnits[unit]);
}

std::string human_ago(int64_t time_ns, int64_t now_ns) {
    int64_t seconds = std::max<int64_t>(0, now_ns - time_ns) / 1'000'000'000;
    int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
    if (seconds < 1) return "Less than a second ago";
    if (seconds == 1) return "1 second ago";
    if (seconds < 60) return fmt::format("{} seconds ago", seconds);
    if (minutes == 1) return "About a minute ago";
    if (minutes < 60) return fmt::format("{} minutes ago", minutes);
    if (hours == 1) return "About an hour ago";
    if (hours < 48) return fmt::format("{} hours ago", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days ago", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks ago", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months ago", hours / 24 / 30);
    return fmt::format("{} years ago", seconds / 3600 / 24 / 365);
}

std::string go_time(int64_t time_ns) {
    time_t seconds = static_cast<time_t>(time_ns / 1'000'000'000);
    struct tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    size_t length = strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S +0000 UTC", &parts);
    return {text.data(), length};
}

}  // namespace berth::app

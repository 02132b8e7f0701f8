// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace berth::log {

enum class Level { debug, info, warning, error };
enum class Format { text, json };

/// Where lines go, for the whole process. `fd` is borrowed and must outlive the last line; the default is
/// stderr, text, `warning`. The formats are those that tools around OCI runtimes parse (logrus):
///   text  time="2024-03-01T12:00:00Z" level=error msg="…"
///   json  {"level":"error","msg":"…","time":"2024-03-01T12:00:00Z"}
/// One line is one write(2), so several processes may share a file that is open for appending.
struct Sink {
    int fd = 2;
    Format format = Format::text;
    Level level = Level::warning;
};
void set_sink(const Sink& sink);
const Sink& sink();

/// Never throws: a log that can't be written is nobody's failure.
void write(Level level, std::string_view message) noexcept;

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    if (sink().level <= Level::debug) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    if (sink().level <= Level::info) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace berth::log

// SPDX-License-Identifier: Apache-2.0
#include "engine/system/metrics.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

/// Backslash, quote and newline are escaped in a label's value.
void append_label_value(std::string& to, std::string_view value) {
    for (char c : value) {
        if (c == '\\' || c == '"') to += '\\';
        if (c == '\n')
            to += "\\n";
        else
            to += c;
    }
}

std::string number_text(double value) {
    if (value == std::floor(value) && std::fabs(value) < 1e15)
        return fmt::format("{}", static_cast<int64_t>(value));
    return fmt::format("{}", value);
}

int count_fds() {
    DIR* dir = ::opendir("/proc/self/fd");
    if (!dir) return 0;
    int count = 0;
    while (const dirent* entry = ::readdir(dir))
        if (entry->d_name[0] != '.') ++count;
    ::closedir(dir);
    return count - 1;  // the one that counts
}

double number_of(std::string_view text) {
    return static_cast<double>(parse_number<uint64_t>(trim(text)).value_or(0));
}

double boot_time() {
    std::optional<std::string> stat = sys::try_read_file("/proc/stat");
    if (!stat) return 0;
    for (std::string_view line : split(*stat, '\n'))
        if (line.starts_with("btime ")) return number_of(line.substr(6));
    return 0;
}

}  // namespace

void MetricsText::begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsText::sample(Labels labels, double value) {
    text_ += name_;
    char separator = '{';
    for (const auto& [key, label] : labels) {
        fmt::format_to(std::back_inserter(text_), "{}{}=\"", separator, key);
        append_label_value(text_, label);
        text_ += '"';
        separator = ',';
    }
    if (labels.size() > 0) text_ += '}';
    fmt::format_to(std::back_inserter(text_), " {}\n", number_text(value));
}

void MetricsText::single(std::string_view name, std::string_view type, std::string_view help, double value) {
    begin(name, type, help);
    sample({}, value);
}

void add_process_metrics(MetricsText& text) {
    // Fields of /proc/<pid>/stat after the name, which may hold anything but ends at the last ')'.
    std::string stat = sys::try_read_file("/proc/self/stat").value_or("");
    size_t end = stat.rfind(')');
    std::vector<std::string_view> fields;
    if (end != std::string::npos) fields = split_fields(std::string_view(stat).substr(end + 1));
    auto field = [&](size_t number) -> double {
        return number - 3 < fields.size() ? number_of(fields[number - 3]) : 0;
    };
    auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    text.single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                (field(14) + field(15)) / ticks);
    text.single("process_max_fds", "gauge", "Maximum number of open file descriptors.",
                static_cast<double>(files.rlim_cur));
    text.single("process_open_fds", "gauge", "Number of open file descriptors.", count_fds());
    text.single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", field(24) * page);
    text.single("process_start_time_seconds", "gauge",
                "Start time of the process since unix epoch in seconds.", boot_time() + field(22) / ticks);
    text.single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", field(23));
}

}  // namespace berth::engine

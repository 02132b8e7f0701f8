// SPDX-License-Identifier: Apache-2.0
#include "runtime/intel_rdt.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/validate.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

/// What the schemata file must hold, line by line: a line for memory bandwidth in l3CacheSchema yields to
/// memBwSchema, and `schemata` comes last, so that it wins.
std::vector<std::string> schema_lines(const spec::IntelRdt& config) {
    std::vector<std::string> lines;
    for (std::string_view line : split(config.l3CacheSchema, '\n')) {
        bool is_bandwidth = trim(line).starts_with("MB:");
        if (!trim(line).empty() && !(is_bandwidth && !config.memBwSchema.empty()))
            lines.emplace_back(trim(line));
    }
    if (!config.memBwSchema.empty()) lines.push_back(config.memBwSchema);
    lines.insert(lines.end(), config.schemata.begin(), config.schemata.end());
    return lines;
}

/// "L3:1=0f;0=7F" and "L3:0=7f;1=f" say the same: a resource, and values by cache, hexadecimal but for
/// bandwidth.
struct Schema {
    std::string resource;
    std::vector<std::pair<std::string, std::string>> values;
};

Schema parse_schema(std::string_view line) {
    size_t colon = line.find(':');
    Schema schema{std::string(trim(line.substr(0, colon))), {}};
    if (colon == std::string_view::npos) return schema;
    for (std::string_view part : split(line.substr(colon + 1), ';')) {
        size_t equals = part.find('=');
        if (equals == std::string_view::npos) continue;
        std::string value(trim(part.substr(equals + 1)));
        std::ranges::transform(value, value.begin(), [](char c) {
            return c >= 'A' && c <= 'F' ? static_cast<char>(c + 'a' - 'A') : c;
        });
        value.erase(0, std::min(value.find_first_not_of('0'), value.size()));
        schema.values.emplace_back(trim(part.substr(0, equals)), value);
    }
    return schema;
}

/// Whether the file's text says all that `line` says.
bool has_schema(std::string_view present, std::string_view line) {
    Schema wanted = parse_schema(line);
    for (std::string_view other : split(present, '\n')) {
        Schema schema = parse_schema(other);
        if (schema.resource != wanted.resource) continue;
        return std::ranges::all_of(wanted.values, [&](const auto& value) {
            return std::ranges::find(schema.values, value) != schema.values.end();
        });
    }
    return false;
}

void compare_schemata(const std::string& group, const std::vector<std::string>& lines) {
    std::string present = sys::read_file(group + "/schemata");
    for (const std::string& line : lines)
        if (!has_schema(present, line))
            fail_field("linux.intelRdt.closID",
                       fmt::format("the class of service {} exists with other schemata than {}", group,
                                   quote(line)));
}

/// The kernel puts its reason for a refused write into a file of its own.
void write_schemata(const std::string& resctrl, const std::string& group,
                    const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    try {
        sys::write_kernel_file(group + "/schemata", text);
    } catch (Error& error) {
        auto status = sys::try_read_file(resctrl + "/info/last_cmd_status");
        if (status) error.add_context("linux.intelRdt: " + std::string(trim(*status)));
        throw;
    }
}

bool make_folder(const std::string& path) {
    if (mkdir(path.c_str(), 0755) == 0) return true;
    if (errno != EEXIST) throw errno_error(errno, "mkdir " + path);
    return false;
}

void remove_folder(const std::string& path) {
    if (!path.empty() && rmdir(path.c_str()) < 0 && errno != ENOENT)
        throw errno_error(errno, "rmdir " + path);
}

}  // namespace

std::optional<std::string> find_resctrl() {
    // mountinfo: … mount point (field 5) … " - " type. Spaces in a path are \040.
    std::string text = sys::read_file("/proc/self/mountinfo");
    for (std::string_view line : split(text, '\n')) {
        size_t separator = line.find(" - ");
        if (separator == std::string_view::npos || !line.substr(separator + 3).starts_with("resctrl "))
            continue;
        std::vector<std::string_view> fields = split(line, ' ');
        if (fields.size() > 4) return std::string(fields[4]);
    }
    return std::nullopt;
}

std::optional<RdtGroup> apply_intel_rdt(const spec::IntelRdt& config, std::string_view id, pid_t pid,
                                        const std::optional<std::string>& resctrl) {
    if (!resctrl) {
        log::warning("linux.intelRdt: the host has no resctrl file system, left out");
        return std::nullopt;
    }
    std::vector<std::string> lines = schema_lines(config);
    RdtGroup group;
    group.group =
        fmt::format("{}/{}", *resctrl, config.closID.empty() ? id : std::string_view(config.closID));
    bool made = false;
    if (!config.closID.empty() && lines.empty()) {
        if (!sys::exists(group.group))
            fail_field(
                "linux.intelRdt.closID",
                fmt::format("there is no class of service {} and no schemata to make it of", group.group));
    } else {
        made = make_folder(group.group);
        if (!made) compare_schemata(group.group, lines);
    }
    try {
        if (made && !lines.empty()) write_schemata(*resctrl, group.group, lines);
        sys::write_kernel_file(group.group + "/tasks", std::to_string(pid));
        if (config.enableMonitoring) {
            std::string folder = fmt::format("{}/mon_groups/{}", group.group, id);
            if (make_folder(folder)) group.monitoring = folder;
            sys::write_kernel_file(folder + "/tasks", std::to_string(pid));
        }
    } catch (...) {
        remove_folder(group.monitoring);
        if (made) remove_folder(group.group);
        throw;
    }
    // A named class may be for containers to come too, so only the container's own goes with it.
    group.owned = made && config.closID.empty();
    return group;
}

void remove_intel_rdt(const RdtGroup& group) {
    remove_folder(group.monitoring);
    if (group.owned) remove_folder(group.group);
}

}  // namespace berth::runtime

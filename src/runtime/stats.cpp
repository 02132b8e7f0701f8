// SPDX-License-Identifier: Apache-2.0
#include "runtime/stats.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"
#include "runtime/stats_files.h"
#include "sys/file.h"

namespace berth::runtime {

StatFiles::StatFiles(const std::string* dir)
    : dir_(dir ? ::open(dir->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1) {}

StatFiles::~StatFiles() {
    if (dir_ >= 0) ::close(dir_);
}

std::optional<std::string> StatFiles::text(const std::string& file) const {
    if (dir_ < 0) return std::nullopt;
    try {
        return sys::try_read_file_at(dir_, file);
    } catch (const Error&) {
        // Some files exist but can't be read (memory.kmem.* without the option, a cgroup on its way out).
        return std::nullopt;
    }
}

uint64_t StatFiles::number(const std::string& file) const {
    std::optional<std::string> content = text(file);
    if (!content) return 0;
    std::string_view value = trim(*content);
    if (value == "max") return std::numeric_limits<uint64_t>::max();
    return parse_number<uint64_t>(value).value_or(0);
}

std::map<std::string, uint64_t> StatFiles::keyed(const std::string& file) const {
    std::map<std::string, uint64_t> result;
    std::optional<std::string> content = text(file);
    if (!content) return result;
    for (std::string_view line : split(*content, '\n')) {
        size_t blank = line.find(' ');
        if (blank == std::string_view::npos) continue;
        if (std::optional<uint64_t> value = parse_number<uint64_t>(trim(line.substr(blank + 1))))
            result.emplace(line.substr(0, blank), *value);
    }
    return result;
}

std::vector<std::string> StatFiles::names(std::string_view prefix) const {
    if (dir_ < 0) return {};
    std::vector<std::string> result = sys::list_dir(dir_);
    std::erase_if(result, [&](const std::string& name) { return !name.starts_with(prefix); });
    return result;
}

std::vector<uint16_t> expand_list(std::string_view text) {
    std::vector<uint16_t> result;
    for (std::string_view range : split(trim(text), ',')) {
        size_t dash = range.find('-');
        std::optional<uint16_t> first = parse_number<uint16_t>(range.substr(0, dash));
        std::optional<uint16_t> last =
            dash == std::string_view::npos ? first : parse_number<uint16_t>(range.substr(dash + 1));
        if (!first || !last) break;
        for (uint32_t number = *first; number <= *last; ++number)
            result.push_back(static_cast<uint16_t>(number));
    }
    return result;
}

std::optional<Pressure> parse_pressure(const std::optional<std::string>& text) {
    if (!text || text->empty()) return std::nullopt;
    Pressure result;
    for (std::string_view line : split(*text, '\n')) {
        std::vector<std::string_view> fields = split_fields(line);
        if (fields.empty()) continue;
        PressureLine& target = fields[0] == "full" ? result.full : result.some;
        for (std::string_view field : fields) {
            size_t equals = field.find('=');
            if (equals == std::string_view::npos) continue;
            std::string_view key = field.substr(0, equals);
            std::string_view value = field.substr(equals + 1);
            if (key == "avg10") target.avg10 = std::strtod(std::string(value).c_str(), nullptr);
            if (key == "avg60") target.avg60 = std::strtod(std::string(value).c_str(), nullptr);
            if (key == "avg300") target.avg300 = std::strtod(std::string(value).c_str(), nullptr);
            if (key == "total") target.total = parse_number<uint64_t>(value).value_or(0);
        }
    }
    return result;
}

std::vector<std::string> page_sizes(const StatFiles& files, std::string_view suffix) {
    constexpr std::string_view kPrefix = "hugetlb.";
    std::vector<std::string> sizes;
    for (const std::string& name : files.names(kPrefix)) {
        if (!name.ends_with(suffix) || name.find(".rsvd.") != std::string::npos) continue;
        sizes.push_back(name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size()));
    }
    return sizes;
}

PidsStats sample_pids(const StatFiles& files) {
    uint64_t limit = files.number("pids.max");
    return {files.number("pids.current"), limit == std::numeric_limits<uint64_t>::max() ? 0 : limit};
}

Stats sample_stats(const sys::Cgroup& cgroup) {
    Stats stats;
    sample_v1(cgroup, stats);
    sample_v2(cgroup, stats);
    return stats;
}

namespace {

json::Value encode_data(const Stats& stats) {
    json::Value data = json::encode(stats);
    // Always there in runc's output, and never with content for a container that it has not set up itself.
    json::Object& object = data.as_object();
    if (!object.contains("hugetlb")) object.emplace("hugetlb", json::Object());
    object.emplace("intel_rdt", json::Object());
    object.emplace("network_interfaces", nullptr);
    return data;
}

}  // namespace

std::string encode_stats(const Stats& stats) {
    return json::print(encode_data(stats));
}

std::string encode_stats_event(const std::string& id, const Stats& stats) {
    return json::print(json::Object{{"type", "stats"}, {"id", id}, {"data", encode_data(stats)}});
}

std::string encode_oom_event(const std::string& id) {
    return json::print(json::Object{{"type", "oom"}, {"id", id}});
}

}  // namespace berth::runtime

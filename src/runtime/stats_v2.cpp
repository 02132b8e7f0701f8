// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <limits>

#include "base/strings.h"
#include "runtime/stats_files.h"

namespace berth::runtime {

namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

void sample_cpu(const StatFiles& files, CpuStats& stats) {
    std::map<std::string, uint64_t> cpu = files.keyed("cpu.stat");
    stats.usage.total = cpu["usage_usec"] * 1000;
    stats.usage.user = cpu["user_usec"] * 1000;
    stats.usage.kernel = cpu["system_usec"] * 1000;
    stats.throttling = {cpu["nr_periods"], cpu["nr_throttled"], cpu["throttled_usec"] * 1000};
    stats.psi = parse_pressure(files.text("cpu.pressure"));
}

void sample_memory(const StatFiles& files, MemoryStats& stats) {
    stats.raw = files.keyed("memory.stat");
    if (stats.raw.empty()) return;
    auto raw = [&](const char* key) {
        auto found = stats.raw.find(key);
        return found == stats.raw.end() ? 0 : found->second;
    };
    stats.cache = raw("file");
    stats.usage = {files.number("memory.max"), files.number("memory.current"), files.number("memory.peak"),
                   files.keyed("memory.events")["max"]};
    // v1 counts memory and swap together.
    uint64_t swap_limit = files.number("memory.swap.max");
    stats.swap.usage = stats.usage.usage + files.number("memory.swap.current");
    stats.swap.limit =
        swap_limit == kNoLimit || stats.usage.limit == kNoLimit ? kNoLimit : swap_limit + stats.usage.limit;
    stats.kernel = {kNoLimit, raw("kernel"), 0, 0};
    stats.kernelTCP = {kNoLimit, raw("sock"), 0, 0};
    stats.psi = parse_pressure(files.text("memory.pressure"));
}

/// Lines "8:0 rbytes=… wbytes=… rios=… wios=… dbytes=… dios=…".
void sample_io(const StatFiles& files, BlkioStats& stats) {
    std::string content = files.text("io.stat").value_or("");
    for (std::string_view line : split(content, '\n')) {
        std::vector<std::string_view> fields = split_fields(line);
        if (fields.empty()) continue;
        size_t colon = fields[0].find(':');
        if (colon == std::string_view::npos) continue;
        uint64_t major = parse_number<uint64_t>(fields[0].substr(0, colon)).value_or(0);
        uint64_t minor = parse_number<uint64_t>(fields[0].substr(colon + 1)).value_or(0);
        for (std::string_view field : fields) {
            size_t equals = field.find('=');
            if (equals == std::string_view::npos) continue;
            std::string_view key = field.substr(0, equals);
            const char* op = key.starts_with('r')   ? "Read"
                             : key.starts_with('w') ? "Write"
                             : key.starts_with('d') ? "Discard"
                                                    : nullptr;
            std::string_view unit = key.substr(1);
            if (!op || (unit != "bytes" && unit != "ios")) continue;
            auto& table = unit == "bytes" ? stats.ioServiceBytesRecursive : stats.ioServicedRecursive;
            table.push_back({major, minor, op, parse_number<uint64_t>(field.substr(equals + 1)).value_or(0)});
        }
    }
    stats.psi = parse_pressure(files.text("io.pressure"));
}

}  // namespace

void sample_v2(const sys::Cgroup& cgroup, Stats& stats) {
    if (!cgroup.unified_dir()) return;
    StatFiles files(cgroup.unified_dir());
    // In hybrid mode the files of controllers that v1 holds are absent, but cpu.stat and the pressures are
    // always there.
    if (!cgroup.v1_dir("cpu") && !cgroup.v1_dir("cpuacct")) sample_cpu(files, stats.cpu);
    if (!cgroup.v1_dir("memory")) sample_memory(files, stats.memory);
    if (!cgroup.v1_dir("blkio")) sample_io(files, stats.blkio);
    if (!cgroup.v1_dir("pids")) stats.pids = sample_pids(files);
    if (!cgroup.v1_dir("cpuset")) {
        stats.cpuset.cpus = expand_list(files.text("cpuset.cpus.effective").value_or(""));
        stats.cpuset.mems = expand_list(files.text("cpuset.mems.effective").value_or(""));
    }
    if (!cgroup.v1_dir("hugetlb"))
        for (const std::string& size : page_sizes(files, ".max"))
            stats.hugetlb[size] = {files.number(fmt::format("hugetlb.{}.current", size)), 0,
                                   files.keyed(fmt::format("hugetlb.{}.events", size))["max"]};
}

}  // namespace berth::runtime

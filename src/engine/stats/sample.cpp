// SPDX-License-Identifier: Apache-2.0
#include "engine/stats/sample.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

api::CpuStats cpu_to_wire(const CpuSample& sample) {
    api::CpuStats wire;
    wire.cpu_usage.total_usage = sample.cpu.usage.total;
    wire.cpu_usage.percpu_usage = sample.cpu.usage.percpu;
    wire.cpu_usage.usage_in_kernelmode = sample.cpu.usage.kernel;
    wire.cpu_usage.usage_in_usermode = sample.cpu.usage.user;
    wire.system_cpu_usage = sample.host.total_ns;
    wire.online_cpus = sample.host.online;
    wire.throttling_data.periods = sample.cpu.throttling.periods;
    wire.throttling_data.throttled_periods = sample.cpu.throttling.throttledPeriods;
    wire.throttling_data.throttled_time = sample.cpu.throttling.throttledTime;
    return wire;
}

/// v2's operations are written in lower case, without those that discard.
api::BlkioStatEntries entries_to_wire(const std::vector<runtime::BlkioEntry>& entries, bool unified) {
    std::vector<api::BlkioStatEntry> wire;
    for (const runtime::BlkioEntry& entry : entries) {
        if (unified && entry.op == "Discard") continue;
        std::string op = entry.op;
        if (unified) op = entry.op == "Read" ? "read" : "write";
        wire.push_back({.major = entry.major, .minor = entry.minor, .op = op, .value = entry.value});
    }
    if (unified && wire.empty()) return std::nullopt;
    return wire;
}

api::BlkioStats blkio_to_wire(const Sample& sample) {
    api::BlkioStats wire;
    wire.io_service_bytes_recursive = entries_to_wire(sample.blkio.ioServiceBytesRecursive, sample.unified);
    if (sample.unified) return wire;
    wire.io_serviced_recursive = entries_to_wire(sample.blkio.ioServicedRecursive, false);
    wire.io_queue_recursive = entries_to_wire(sample.blkio.ioQueueRecursive, false);
    wire.io_service_time_recursive = entries_to_wire(sample.blkio.ioServiceTimeRecursive, false);
    wire.io_wait_time_recursive = entries_to_wire(sample.blkio.ioWaitTimeRecursive, false);
    wire.io_merged_recursive = entries_to_wire(sample.blkio.ioMergedRecursive, false);
    wire.io_time_recursive = entries_to_wire(sample.blkio.ioTimeRecursive, false);
    wire.sectors_recursive = entries_to_wire(sample.blkio.sectorsRecursive, false);
    return wire;
}

api::MemoryStats memory_to_wire(const Sample& sample, uint64_t memory_total) {
    api::MemoryStats wire;
    const runtime::MemoryEntry& usage = sample.memory.usage;
    wire.usage = usage.usage;
    wire.stats = sample.memory.raw;
    wire.failcnt = usage.failcnt;
    wire.limit = usage.limit == 0 || usage.limit > memory_total ? memory_total : usage.limit;
    if (!sample.unified) wire.max_usage = usage.max;
    return wire;
}

}  // namespace

HostCpu parse_proc_stat(std::string_view text) {
    HostCpu host;
    const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    for (std::string_view line : split(text, '\n')) {
        if (!line.starts_with("cpu")) break;
        if (!line.starts_with("cpu ")) {
            ++host.online;
            continue;
        }
        // user, nice, system, idle, iowait, irq, softirq; guests' time is within user's.
        std::vector<std::string_view> fields = split_fields(line);
        for (size_t i = 1; i < std::min<size_t>(fields.size(), 8); ++i)
            host.total_ns += parse_number<uint64_t>(fields[i]).value_or(0) * tick_ns;
    }
    return host;
}

HostCpu read_host_cpu() {
    return parse_proc_stat(sys::read_file("/proc/stat"));
}

sys::Cgroup cpu_part(const sys::Cgroup& cgroup) {
    bool in_v1 = cgroup.v1_dir("cpu") || cgroup.v1_dir("cpuacct");
    std::map<std::string, std::string> paths;
    for (const auto& [key, dir] : cgroup.paths()) {
        bool counts = sys::cgroup_key_has(key, "cpu") || sys::cgroup_key_has(key, "cpuacct");
        if (in_v1 ? counts : key.empty()) paths.emplace(key, dir);
    }
    return sys::Cgroup::open(std::move(paths));
}

CpuSample sample_cpu(const sys::Cgroup& cpu_part, const HostCpu& host) {
    return {.time_ns = now_ns(), .host = host, .cpu = runtime::sample_stats(cpu_part).cpu};
}

Sample sample(const sys::Cgroup& cgroup, const HostCpu& host, std::optional<pid_t> network_pid) {
    Sample result;
    result.time_ns = now_ns();
    result.host = host;
    runtime::Stats stats = runtime::sample_stats(cgroup);
    result.cpu = std::move(stats.cpu);
    result.memory = std::move(stats.memory);
    result.pids = stats.pids;
    result.blkio = std::move(stats.blkio);
    result.unified = !cgroup.v1_dir("memory");
    if (result.unified && result.pids.limit == 0) result.pids.limit = kNoLimit;
    if (network_pid)
        if (auto text = sys::try_read_file(fmt::format("/proc/{}/net/dev", *network_pid)))
            result.networks = parse_net_dev(*text);
    return result;
}

std::map<std::string, api::NetworkStats> parse_net_dev(std::string_view text) {
    std::map<std::string, api::NetworkStats> result;
    for (std::string_view line : split(text, '\n')) {
        size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        std::string name(trim(line.substr(0, colon)));
        std::vector<std::string_view> fields = split_fields(line.substr(colon + 1));
        if (name == "lo" || fields.size() < 12) continue;
        auto number = [&](size_t index) { return parse_number<uint64_t>(fields[index]).value_or(0); };
        result[name] = {.rx_bytes = number(0),
                        .rx_packets = number(1),
                        .rx_errors = number(2),
                        .rx_dropped = number(3),
                        .tx_bytes = number(8),
                        .tx_packets = number(9),
                        .tx_errors = number(10),
                        .tx_dropped = number(11)};
    }
    return result;
}

CpuSample at_start(const CpuSample& later, int64_t started_ns) {
    CpuSample start;
    start.time_ns = std::min(started_ns, later.time_ns);
    uint64_t passed = static_cast<uint64_t>(later.time_ns - start.time_ns) * later.host.online;
    start.host.total_ns = later.host.total_ns - std::min(passed, later.host.total_ns);
    start.host.online = later.host.online;
    start.cpu.usage.percpu.resize(later.cpu.usage.percpu.size());
    return start;
}

api::StatsResponse to_wire(const Sample& now, const CpuSample* before, uint64_t memory_total) {
    api::StatsResponse wire;
    wire.read = rfc3339(now.time_ns);
    wire.cpu_stats = cpu_to_wire(now);
    if (before) {
        wire.preread = rfc3339(before->time_ns);
        wire.precpu_stats = cpu_to_wire(*before);
    }
    wire.memory_stats = memory_to_wire(now, memory_total);
    wire.blkio_stats = blkio_to_wire(now);
    wire.pids_stats = {.current = now.pids.current, .limit = now.pids.limit};
    wire.networks = now.networks;
    return wire;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/strings.h"
#include "runtime/stats_files.h"

namespace berth::runtime {

namespace {

void sample_cpu(const StatFiles& cpu, const StatFiles& cpuacct, CpuStats& stats) {
    std::map<std::string, uint64_t> throttling = cpu.keyed("cpu.stat");
    stats.throttling = {throttling["nr_periods"], throttling["nr_throttled"], throttling["throttled_time"]};

    stats.usage.total = cpuacct.number("cpuacct.usage");
    const uint64_t tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
    std::map<std::string, uint64_t> ticks = cpuacct.keyed("cpuacct.stat");
    stats.usage.user = ticks["user"] * tick_ns;
    stats.usage.kernel = ticks["system"] * tick_ns;
    for (std::string_view value : split_fields(cpuacct.text("cpuacct.usage_percpu").value_or("")))
        stats.usage.percpu.push_back(parse_number<uint64_t>(value).value_or(0));
    // "cpu user system", then a line for each CPU.
    std::string all = cpuacct.text("cpuacct.usage_all").value_or("");
    for (std::string_view line : split(all, '\n')) {
        std::vector<std::string_view> fields = split_fields(line);
        if (fields.size() != 3 || !parse_number<uint64_t>(fields[0])) continue;
        stats.usage.percpu_user.push_back(parse_number<uint64_t>(fields[1]).value_or(0));
        stats.usage.percpu_kernel.push_back(parse_number<uint64_t>(fields[2]).value_or(0));
    }
}

MemoryEntry memory_entry(const StatFiles& files, const std::string& prefix) {
    return {files.number(prefix + "limit_in_bytes"), files.number(prefix + "usage_in_bytes"),
            files.number(prefix + "max_usage_in_bytes"), files.number(prefix + "failcnt")};
}

void sample_memory(const StatFiles& files, MemoryStats& stats) {
    stats.raw = files.keyed("memory.stat");
    stats.cache = stats.raw["cache"];
    stats.usage = memory_entry(files, "memory.");
    stats.swap = memory_entry(files, "memory.memsw.");
    stats.kernel = memory_entry(files, "memory.kmem.");
    stats.kernelTCP = memory_entry(files, "memory.kmem.tcp.");
}

/// Lines "8:0 Read 4096"; the sum of all devices ("Total 4096") is not one of them.
std::vector<BlkioEntry> blkio_entries(const StatFiles& files, const std::string& file) {
    std::vector<BlkioEntry> entries;
    std::optional<std::string> content = files.text(file);
    if (!content) return entries;
    for (std::string_view line : split(*content, '\n')) {
        std::vector<std::string_view> fields = split_fields(line);
        if (fields.size() < 2) continue;
        size_t colon = fields[0].find(':');
        if (colon == std::string_view::npos) continue;
        std::optional<uint64_t> major = parse_number<uint64_t>(fields[0].substr(0, colon));
        std::optional<uint64_t> minor = parse_number<uint64_t>(fields[0].substr(colon + 1));
        std::optional<uint64_t> value = parse_number<uint64_t>(fields.back());
        if (major && minor && value)
            entries.push_back({*major, *minor, std::string(fields.size() > 2 ? fields[1] : ""), *value});
    }
    return entries;
}

/// The I/O scheduler's figures where it keeps some (BFQ, or CFQ until Linux 4), else those of the block
/// layer's throttling, which every kernel has.
void sample_blkio(const StatFiles& files, BlkioStats& stats) {
    for (const char* scheduler : {"blkio.bfq.", "blkio."}) {
        std::string prefix = scheduler;
        stats.ioServicedRecursive = blkio_entries(files, prefix + "io_serviced_recursive");
        if (stats.ioServicedRecursive.empty()) continue;
        stats.ioServiceBytesRecursive = blkio_entries(files, prefix + "io_service_bytes_recursive");
        stats.ioQueueRecursive = blkio_entries(files, prefix + "io_queued_recursive");
        stats.ioServiceTimeRecursive = blkio_entries(files, prefix + "io_service_time_recursive");
        stats.ioWaitTimeRecursive = blkio_entries(files, prefix + "io_wait_time_recursive");
        stats.ioMergedRecursive = blkio_entries(files, prefix + "io_merged_recursive");
        stats.ioTimeRecursive = blkio_entries(files, prefix + "time_recursive");
        stats.sectorsRecursive = blkio_entries(files, prefix + "sectors_recursive");
        return;
    }
    stats.ioServiceBytesRecursive = blkio_entries(files, "blkio.throttle.io_service_bytes_recursive");
    stats.ioServicedRecursive = blkio_entries(files, "blkio.throttle.io_serviced_recursive");
}

void sample_cpuset(const StatFiles& files, CpusetStats& stats) {
    stats.cpus = expand_list(files.text("cpuset.cpus").value_or(""));
    stats.mems = expand_list(files.text("cpuset.mems").value_or(""));
    stats.cpu_exclusive = files.number("cpuset.cpu_exclusive");
    stats.mem_hardwall = files.number("cpuset.mem_hardwall");
    stats.mem_exclusive = files.number("cpuset.mem_exclusive");
    stats.memory_migrate = files.number("cpuset.memory_migrate");
    stats.memory_spread_page = files.number("cpuset.memory_spread_page");
    stats.memory_spread_slab = files.number("cpuset.memory_spread_slab");
    stats.memory_pressure = files.number("cpuset.memory_pressure");
    stats.sched_load_balance = files.number("cpuset.sched_load_balance");
    std::string level = files.text("cpuset.sched_relax_domain_level").value_or("");
    stats.sched_relax_domain_level = parse_number<int64_t>(trim(level)).value_or(0);
}

}  // namespace

void sample_v1(const sys::Cgroup& cgroup, Stats& stats) {
    auto files = [&](std::string_view controller) { return StatFiles(cgroup.v1_dir(controller)); };
    sample_cpu(files("cpu"), files("cpuacct"), stats.cpu);
    if (cgroup.v1_dir("memory")) sample_memory(files("memory"), stats.memory);
    if (cgroup.v1_dir("cpuset")) sample_cpuset(files("cpuset"), stats.cpuset);
    if (cgroup.v1_dir("blkio")) sample_blkio(files("blkio"), stats.blkio);
    if (cgroup.v1_dir("pids")) stats.pids = sample_pids(files("pids"));
    if (cgroup.v1_dir("hugetlb")) {
        StatFiles hugetlb = files("hugetlb");
        for (const std::string& size : page_sizes(hugetlb, ".limit_in_bytes")) {
            std::string prefix = "hugetlb." + size;
            stats.hugetlb[size] = {hugetlb.number(prefix + ".usage_in_bytes"),
                                   hugetlb.number(prefix + ".max_usage_in_bytes"),
                                   hugetlb.number(prefix + ".failcnt")};
        }
    }
}

}  // namespace berth::runtime

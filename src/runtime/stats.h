// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sys/cgroup.h"

/// What a container's cgroup has used, in the words of `runc events --stats`. Members carry the names of the
/// wire; values are those of cgroup v1 (v2's are converted): times in ns, sizes in bytes, UINT64_MAX for no
/// limit.
namespace berth::runtime {

struct CpuUsage {
    uint64_t total = 0;
    std::vector<uint64_t> percpu;  ///< v1 only
    std::vector<uint64_t> percpu_kernel;
    std::vector<uint64_t> percpu_user;
    uint64_t kernel = 0;
    uint64_t user = 0;
};
BOOST_DESCRIBE_STRUCT(CpuUsage, (), (total, percpu, percpu_kernel, percpu_user, kernel, user))

struct CpuThrottling {
    uint64_t periods = 0;
    uint64_t throttledPeriods = 0;
    uint64_t throttledTime = 0;
};
BOOST_DESCRIBE_STRUCT(CpuThrottling, (), (periods, throttledPeriods, throttledTime))

struct PressureLine {
    double avg10 = 0;
    double avg60 = 0;
    double avg300 = 0;
    uint64_t total = 0;  ///< µs
};
BOOST_DESCRIBE_STRUCT(PressureLine, (), (avg10, avg60, avg300, total))

struct Pressure {
    PressureLine some;
    PressureLine full;
};
BOOST_DESCRIBE_STRUCT(Pressure, (), (some, full))

struct CpuStats {
    CpuUsage usage;
    CpuThrottling throttling;
    std::optional<Pressure> psi;  ///< v2 only
};
BOOST_DESCRIBE_STRUCT(CpuStats, (), (usage, throttling, psi))

struct MemoryEntry {
    uint64_t limit = 0;
    uint64_t usage = 0;
    uint64_t max = 0;  ///< highest usage so far
    uint64_t failcnt = 0;
};
BOOST_DESCRIBE_STRUCT(MemoryEntry, (), (limit, usage, max, failcnt))

struct MemoryStats {
    uint64_t cache = 0;
    MemoryEntry usage;
    MemoryEntry swap;  ///< memory and swap together
    MemoryEntry kernel;
    MemoryEntry kernelTCP;
    std::map<std::string, uint64_t> raw;  ///< memory.stat
    std::optional<Pressure> psi;
};
BOOST_DESCRIBE_STRUCT(MemoryStats, (), (cache, usage, swap, kernel, kernelTCP, raw, psi))

struct PidsStats {
    uint64_t current = 0;
    uint64_t limit = 0;  ///< 0: none
};
BOOST_DESCRIBE_STRUCT(PidsStats, (), (current, limit))

struct BlkioEntry {
    uint64_t major = 0;
    uint64_t minor = 0;
    std::string op;
    uint64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(BlkioEntry, (), (major, minor, op, value))

struct BlkioStats {
    std::vector<BlkioEntry> ioServiceBytesRecursive;
    std::vector<BlkioEntry> ioServicedRecursive;
    std::vector<BlkioEntry> ioQueueRecursive;
    std::vector<BlkioEntry> ioServiceTimeRecursive;
    std::vector<BlkioEntry> ioWaitTimeRecursive;
    std::vector<BlkioEntry> ioMergedRecursive;
    std::vector<BlkioEntry> ioTimeRecursive;
    std::vector<BlkioEntry> sectorsRecursive;
    std::optional<Pressure> psi;
};
BOOST_DESCRIBE_STRUCT(BlkioStats, (),
                      (ioServiceBytesRecursive, ioServicedRecursive, ioQueueRecursive, ioServiceTimeRecursive,
                       ioWaitTimeRecursive, ioMergedRecursive, ioTimeRecursive, sectorsRecursive, psi))

struct CpusetStats {
    std::vector<uint16_t> cpus;
    uint64_t cpu_exclusive = 0;
    std::vector<uint16_t> mems;
    uint64_t mem_hardwall = 0;
    uint64_t mem_exclusive = 0;
    uint64_t memory_migrate = 0;
    uint64_t memory_spread_page = 0;
    uint64_t memory_spread_slab = 0;
    uint64_t memory_pressure = 0;
    uint64_t sched_load_balance = 0;
    int64_t sched_relax_domain_level = 0;
};
BOOST_DESCRIBE_STRUCT(CpusetStats, (),
                      (cpus, cpu_exclusive, mems, mem_hardwall, mem_exclusive, memory_migrate,
                       memory_spread_page, memory_spread_slab, memory_pressure, sched_load_balance,
                       sched_relax_domain_level))

struct HugetlbStats {
    uint64_t usage = 0;
    uint64_t max = 0;
    uint64_t failcnt = 0;
};
BOOST_DESCRIBE_STRUCT(HugetlbStats, (), (usage, max, failcnt))

struct Stats {
    CpuStats cpu;
    CpusetStats cpuset;
    MemoryStats memory;
    PidsStats pids;
    BlkioStats blkio;
    std::map<std::string, HugetlbStats> hugetlb;  ///< by page size ("2MB")
};
BOOST_DESCRIBE_STRUCT(Stats, (), (cpu, cpuset, memory, pids, blkio, hugetlb))

/// Reads the files of the cgroup. What the host doesn't have stays 0 or empty; a cgroup that is gone gives
/// all zeros.
Stats sample_stats(const sys::Cgroup& cgroup);

/// The line of `events --stats`: {"type":"stats","id":…,"data":{…}}, without a newline.
std::string encode_stats_event(const std::string& id, const Stats& stats);
/// {"type":"oom","id":…}
std::string encode_oom_event(const std::string& id);
/// Only the data object: what the shim answers.
std::string encode_stats(const Stats& stats);

}  // namespace berth::runtime

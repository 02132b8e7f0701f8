// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/stats.h"
#include "spec/api/container_views.h"
#include "sys/cgroup.h"

/// One look at what a container uses, and its form on the wire. All of it may run on any thread.
namespace berth::engine {

/// The host's side of the processor time, from /proc/stat.
struct HostCpu {
    uint64_t total_ns = 0;  ///< of all processors, idle too
    uint32_t online = 0;
};
HostCpu parse_proc_stat(std::string_view text);
HostCpu read_host_cpu();

struct CpuSample {
    int64_t time_ns = 0;
    HostCpu host;
    runtime::CpuStats cpu;
};

struct Sample : CpuSample {
    runtime::MemoryStats memory;
    runtime::PidsStats pids;
    runtime::BlkioStats blkio;
    bool unified = false;  ///< the figures are those of cgroup v2
    std::map<std::string, spec::api::NetworkStats> networks;
};

/// What of the container's cgroup counts processor time: cheap to sample.
sys::Cgroup cpu_part(const sys::Cgroup& cgroup);
CpuSample sample_cpu(const sys::Cgroup& cpu_part, const HostCpu& host);
/// `network_pid`: a process in the container's network namespace, where that is its own.
Sample sample(const sys::Cgroup& cgroup, const HostCpu& host, std::optional<pid_t> network_pid);

/// /proc/<pid>/net/dev, without the loopback device.
std::map<std::string, spec::api::NetworkStats> parse_net_dev(std::string_view text);

/// What `later` would have been at `started_ns`, when its cgroup had used nothing.
CpuSample at_start(const CpuSample& later, int64_t started_ns);

/// In Docker's form. `memory_total`: the machine's, which is the limit where there is no lower one.
spec::api::StatsResponse to_wire(const Sample& now, const CpuSample* before, uint64_t memory_total);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

/// What this host can give to containers, read from the kernel: decides which limits are accepted, and fills
/// the host's part of /info. A plain value; the engine holds one and reads it anew when asked (SIGHUP,
/// /info).
namespace berth::engine {

struct HostFacts {
    // --- control groups (Docker's names of these are in /info)
    int cgroup_version = 1;  ///< 2 where only cgroup2 is mounted; 1 also for hybrid mounts
    bool memory_limit = false, swap_limit = false, memory_reservation = false;
    bool oom_kill_disable = false, memory_swappiness = false;
    bool kernel_memory = false, kernel_memory_tcp = false;
    bool cpu_shares = false, cpu_cfs = false, cpu_realtime = false;
    bool cpuset = false;
    std::string cpus, mems;  ///< of the root cpuset: "0-3"
    bool pids_limit = false;
    bool blkio_weight = false, blkio_weight_device = false;
    bool blkio_read_bps = false, blkio_write_bps = false, blkio_read_iops = false, blkio_write_iops = false;
    bool cgroup_devices = false;
    bool cgroup_namespaces = false;

    // --- the kernel
    std::string kernel_release;  ///< "6.1.0-18-amd64"
    int kernel_major = 0, kernel_minor = 0;
    std::string architecture;  ///< "x86_64"
    bool apparmor = false, selinux = false, seccomp = false;
    bool user_namespaces = false;
    uint64_t capabilities = 0;  ///< the daemon's bounding set: bit n is capability n
    bool ipv4_forwarding = false;
    bool bridge_nf_iptables = false, bridge_nf_ip6tables = false;
    bool ping_group_range = false, unprivileged_port_start = false;  ///< the sysctls exist
    std::vector<std::string> thermal_throttle;  ///< /sys/devices/system/cpu/cpu0/thermal_throttle, …

    // --- the machine
    int cpu_count = 1;                         ///< that this process may run on
    int64_t memory_total = 0, swap_total = 0;  ///< bytes
    std::string hostname;
    std::string os_name;     ///< "Debian GNU/Linux 12 (bookworm)"
    std::string os_version;  ///< "12"

    /// Takes about a millisecond. What can't be read counts as absent.
    static HostFacts read();

    bool kernel_at_least(int major, int minor) const {
        return kernel_major != major ? kernel_major > major : kernel_minor >= minor;
    }
};

/// What /info warns of: "WARNING: No swap limit support", …
std::vector<std::string> host_warnings(const HostFacts& host);

}  // namespace berth::engine

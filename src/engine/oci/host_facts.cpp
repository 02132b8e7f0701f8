// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/host_facts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "base/strings.h"
#include "runtime/capabilities.h"
#include "sys/cgroup_layout.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

bool reads_as(const std::string& path, std::string_view value) {
    auto text = sys::try_read_file(path);
    return text && trim(*text) == value;
}

std::string trimmed_file(const std::string& path) {
    auto text = sys::try_read_file(path);
    return text ? std::string(trim(*text)) : std::string();
}

/// Files of one v1 controller, in its root: what is there can be set.
class V1Controller {
  public:
    V1Controller(const sys::CgroupLayout& layout, std::string_view name) : hierarchy_(layout.v1(name)) {}
    explicit operator bool() const { return hierarchy_; }
    bool has(std::string_view file) const { return hierarchy_ && sys::exists(path(file)); }
    std::string path(std::string_view file) const {
        return fmt::format("{}/{}", hierarchy_->mount_point, file);
    }

  private:
    const sys::CgroupHierarchy* hierarchy_;
};

void read_v1(HostFacts& host, const sys::CgroupLayout& layout) {
    V1Controller memory(layout, "memory");
    host.memory_limit = static_cast<bool>(memory);
    host.swap_limit = memory.has("memory.memsw.limit_in_bytes");
    host.memory_reservation = memory.has("memory.soft_limit_in_bytes");
    host.oom_kill_disable = memory.has("memory.oom_control");
    host.memory_swappiness = memory.has("memory.swappiness");
    host.kernel_memory = memory.has("memory.kmem.limit_in_bytes");
    host.kernel_memory_tcp = memory.has("memory.kmem.tcp.limit_in_bytes");

    V1Controller cpu(layout, "cpu");
    host.cpu_shares = cpu.has("cpu.shares");
    host.cpu_cfs = cpu.has("cpu.cfs_quota_us");
    host.cpu_realtime = cpu.has("cpu.rt_period_us") && cpu.has("cpu.rt_runtime_us");

    if (V1Controller cpuset(layout, "cpuset"); cpuset) {
        host.cpuset = true;
        // Mounted with noprefix (Android, some embedded systems) they are called "cpus" and "mems".
        std::string_view prefix = cpuset.has("cpuset.cpus") ? "cpuset." : "";
        host.cpus = trimmed_file(cpuset.path(fmt::format("{}cpus", prefix)));
        host.mems = trimmed_file(cpuset.path(fmt::format("{}mems", prefix)));
    }
    host.pids_limit = static_cast<bool>(V1Controller(layout, "pids"));
    host.cgroup_devices = static_cast<bool>(V1Controller(layout, "devices"));

    V1Controller blkio(layout, "blkio");
    host.blkio_weight = blkio.has("blkio.weight") || blkio.has("blkio.bfq.weight");
    host.blkio_weight_device = blkio.has("blkio.weight_device") || blkio.has("blkio.bfq.weight_device");
    host.blkio_read_bps = blkio.has("blkio.throttle.read_bps_device");
    host.blkio_write_bps = blkio.has("blkio.throttle.write_bps_device");
    host.blkio_read_iops = blkio.has("blkio.throttle.read_iops_device");
    host.blkio_write_iops = blkio.has("blkio.throttle.write_iops_device");
}

void read_v2(HostFacts& host, const sys::CgroupHierarchy& hierarchy) {
    const std::string& root = hierarchy.mount_point;
    std::string listed = trimmed_file(root + "/cgroup.controllers");
    auto names = split_fields(listed);
    auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };

    host.memory_limit = host.memory_reservation = has("memory");
    // The root has no memory.swap.max; a kernel with swap has it everywhere else.
    host.swap_limit = has("memory") && (sys::exists(root + hierarchy.own_path + "/memory.swap.max") ||
                                        sys::exists("/proc/swaps"));
    host.cpu_shares = host.cpu_cfs = has("cpu");
    host.cpuset = has("cpuset");
    if (host.cpuset) {
        host.cpus = trimmed_file(root + "/cpuset.cpus.effective");
        host.mems = trimmed_file(root + "/cpuset.mems.effective");
    }
    host.pids_limit = has("pids");
    host.blkio_weight = host.blkio_weight_device = has("io");
    host.blkio_read_bps = host.blkio_write_bps = has("io");
    host.blkio_read_iops = host.blkio_write_iops = has("io");
    host.cgroup_devices = true;
}

void read_kernel(HostFacts& host) {
    utsname names{};
    if (uname(&names) == 0) {
        host.kernel_release = names.release;
        host.architecture = names.machine;
        host.hostname = names.nodename;
    }
    auto parts = split(host.kernel_release, '.');
    auto number = [&](size_t index) {
        if (index >= parts.size()) return 0;
        std::string_view digits = parts[index].substr(0, parts[index].find_first_not_of("0123456789"));
        return parse_number<int>(digits).value_or(0);
    };
    host.kernel_major = number(0);
    host.kernel_minor = number(1);

    host.apparmor = sys::exists("/sys/kernel/security/apparmor/profiles") &&
                    reads_as("/sys/module/apparmor/parameters/enabled", "Y");
    host.selinux = sys::exists("/sys/fs/selinux/enforce");
    host.seccomp = sys::exists("/proc/sys/kernel/seccomp/actions_avail");
    host.user_namespaces =
        sys::exists("/proc/self/ns/user") && !reads_as("/proc/sys/user/max_user_namespaces", "0");
    host.cgroup_namespaces = sys::exists("/proc/self/ns/cgroup");
    host.capabilities = runtime::own_bounding_set();
    host.ipv4_forwarding = reads_as("/proc/sys/net/ipv4/ip_forward", "1");
    host.bridge_nf_iptables = reads_as("/proc/sys/net/bridge/bridge-nf-call-iptables", "1");
    host.bridge_nf_ip6tables = reads_as("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1");
    host.ping_group_range = sys::exists("/proc/sys/net/ipv4/ping_group_range");
    host.unprivileged_port_start = sys::exists("/proc/sys/net/ipv4/ip_unprivileged_port_start");
}

int64_t meminfo_bytes(std::string_view meminfo, std::string_view name) {
    size_t at = meminfo.find(name);
    if (at == std::string_view::npos) return 0;
    auto fields = split_fields(meminfo.substr(at, meminfo.find('\n', at) - at));
    return fields.size() < 2 ? 0 : parse_number<int64_t>(fields[1]).value_or(0) * 1024;
}

std::string os_release_value(std::string_view text, std::string_view key) {
    for (std::string_view line : split(text, '\n')) {
        if (!line.starts_with(key) || line.substr(key.size(), 1) != "=") continue;
        line = trim(line.substr(key.size() + 1));
        if (line.size() >= 2 && (line[0] == '"' || line[0] == '\'') && line.back() == line[0])
            line = line.substr(1, line.size() - 2);
        return std::string(line);
    }
    return {};
}

void read_machine(HostFacts& host) {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) host.cpu_count = std::max(1, CPU_COUNT(&cpus));
    if (auto meminfo = sys::try_read_file("/proc/meminfo")) {
        host.memory_total = meminfo_bytes(*meminfo, "MemTotal:");
        host.swap_total = meminfo_bytes(*meminfo, "SwapTotal:");
    }
    auto release = sys::try_read_file("/etc/os-release");
    if (!release) release = sys::try_read_file("/usr/lib/os-release");
    if (release) {
        host.os_name = os_release_value(*release, "PRETTY_NAME");
        host.os_version = os_release_value(*release, "VERSION_ID");
    }
    if (host.os_name.empty()) host.os_name = "Linux";

    const std::string folder = "/sys/devices/system/cpu";
    if (auto opened = sys::try_open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY)) {
        for (const std::string& name : sys::list_dir(opened->get())) {
            std::string path = fmt::format("{}/{}/thermal_throttle", folder, name);
            if (name.starts_with("cpu") && parse_number<unsigned>(std::string_view(name).substr(3)) &&
                sys::exists(path))
                host.thermal_throttle.push_back(std::move(path));
        }
        std::ranges::sort(host.thermal_throttle);
    }
}

}  // namespace

HostFacts HostFacts::read() {
    HostFacts host;
    const sys::CgroupLayout& layout = sys::CgroupLayout::host();
    if (layout.mode() == sys::CgroupLayout::Mode::v2) {
        host.cgroup_version = 2;
        read_v2(host, *layout.unified());
    } else {
        read_v1(host, layout);
    }
    read_kernel(host);
    read_machine(host);
    return host;
}

std::vector<std::string> host_warnings(const HostFacts& host) {
    std::vector<std::string> warnings;
    auto need = [&](bool there, std::string_view what) {
        if (!there) warnings.push_back(fmt::format("WARNING: {}", what));
    };
    bool v1 = host.cgroup_version == 1;
    need(host.memory_limit, "No memory limit support");
    need(host.swap_limit, "No swap limit support");
    need(!v1 || host.oom_kill_disable, "No oom kill disable support");
    need(host.cpu_cfs, "No cpu cfs quota support");
    need(host.cpu_cfs, "No cpu cfs period support");
    need(host.cpu_shares, "No cpu shares support");
    need(host.cpuset, "No cpuset support");
    need(host.pids_limit, "No pids limit support");
    need(host.blkio_weight, v1 ? "No blkio weight support" : "No io.weight support");
    need(host.blkio_weight_device,
         v1 ? "No blkio weight_device support" : "No io.weight (per device) support");
    need(host.blkio_read_bps, v1 ? "No blkio throttle.read_bps_device support" : "No io.max (rbps) support");
    need(host.blkio_write_bps,
         v1 ? "No blkio throttle.write_bps_device support" : "No io.max (wbps) support");
    need(host.blkio_read_iops,
         v1 ? "No blkio throttle.read_iops_device support" : "No io.max (riops) support");
    need(host.blkio_write_iops,
         v1 ? "No blkio throttle.write_iops_device support" : "No io.max (wiops) support");
    need(host.ipv4_forwarding, "IPv4 forwarding is disabled");
    return warnings;
}

}  // namespace berth::engine

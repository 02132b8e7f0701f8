// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "base/log.h"
#include "runtime/resources_writer.h"

/// https://docs.kernel.org/admin-guide/cgroup-v1/ and, for cpu.*,
/// https://docs.kernel.org/scheduler/sched-bwc.html.
namespace berth::runtime::v1 {

namespace {

template <typename Number>
std::string text(Number number) {
    return fmt::format("{}", number);
}

}  // namespace

void write_memory(const ControllerFiles& files, const spec::MemoryResources& memory) {
    if (memory.checkBeforeUpdate.value_or(false))
        check_memory_usage(memory, files.read_number("memory.usage_in_bytes").value_or(0));
    int64_t limit = memory.limit.value_or(0);
    // Without a word about swap "no limit" is meant for both: the kernel would refuse to lift the lower one
    // alone.
    int64_t swap = memory.swap.value_or(limit == -1 ? -1 : 0);
    std::vector<Limit> together;
    if (limit != 0) together.push_back({"memory.limit_in_bytes", text(limit), "memory.limit", Missing::warn});
    if (swap != 0)
        together.push_back({"memory.memsw.limit_in_bytes", text(swap), "memory.swap",
                            swap == -1 ? Missing::ignore : Missing::warn});
    try {
        files.write_together(together);
    } catch (Error& error) {
        if (error.code() != EBUSY) throw;
        throw Error(error.kind(),
                    error.what() + usage_text(files.read_number("memory.usage_in_bytes"),
                                              files.read_number("memory.max_usage_in_bytes")),
                    error.code());
    }
    if (int64_t reservation = memory.reservation.value_or(0))
        files.write({"memory.soft_limit_in_bytes", text(reservation), "memory.reservation", Missing::warn});
    if (memory.kernel.value_or(0) != 0)
        log::warning(
            "linux.resources.memory.kernel is left out: kernels no longer limit it apart from memory.limit");
    if (int64_t tcp = memory.kernelTCP.value_or(0))
        files.write({"memory.kmem.tcp.limit_in_bytes", text(tcp), "memory.kernelTCP", Missing::warn});
    if (memory.swappiness)
        files.write({"memory.swappiness", text(*memory.swappiness), "memory.swappiness", Missing::warn});
    if (memory.disableOOMKiller)
        files.write({"memory.oom_control", *memory.disableOOMKiller ? "1" : "0", "memory.disableOOMKiller",
                     *memory.disableOOMKiller ? Missing::warn : Missing::ignore});
}

void write_cpu(const ControllerFiles& files, const spec::CpuResources& cpu) {
    std::vector<Limit> realtime;
    if (cpu.realtimePeriod.value_or(0) != 0)
        realtime.push_back(
            {"cpu.rt_period_us", text(*cpu.realtimePeriod), "cpu.realtimePeriod", Missing::warn});
    if (cpu.realtimeRuntime)
        realtime.push_back({"cpu.rt_runtime_us", text(*cpu.realtimeRuntime), "cpu.realtimeRuntime",
                            *cpu.realtimeRuntime == 0 ? Missing::ignore : Missing::warn});
    files.write_together(realtime);

    // An idle group has no shares: the kernel refuses them.
    if (cpu.idle)
        files.write(
            {"cpu.idle", text(*cpu.idle), "cpu.idle", *cpu.idle == 0 ? Missing::ignore : Missing::warn});
    if (uint64_t shares = cpu.shares.value_or(0); shares != 0 && cpu.idle.value_or(0) == 0)
        files.write({"cpu.shares", text(shares), "cpu.shares", Missing::warn});

    std::vector<Limit> bandwidth;
    if (cpu.period.value_or(0) != 0)
        bandwidth.push_back({"cpu.cfs_period_us", text(*cpu.period), "cpu.period", Missing::warn});
    if (int64_t quota = cpu.quota.value_or(0))
        bandwidth.push_back({"cpu.cfs_quota_us", text(quota < 0 ? -1 : quota), "cpu.quota", Missing::warn});
    if (cpu.burst)
        bandwidth.push_back({"cpu.cfs_burst_us", text(*cpu.burst), "cpu.burst",
                             *cpu.burst == 0 ? Missing::ignore : Missing::warn});
    files.write_together(bandwidth);
}

void write_cpuset(const ControllerFiles& files, const spec::CpuResources& cpu) {
    if (!cpu.cpus.empty()) files.write({"cpuset.cpus", cpu.cpus, "cpu.cpus", Missing::warn});
    if (!cpu.mems.empty()) files.write({"cpuset.mems", cpu.mems, "cpu.mems", Missing::warn});
}

void write_block_io(const ControllerFiles& files, const spec::BlockIoResources& io) {
    // Weights belong to the I/O scheduler: the files of CFQ until Linux 4, BFQ's since.
    const bool bfq = files.has("blkio.bfq.weight");
    const std::string weight = bfq ? "blkio.bfq.weight" : "blkio.weight";
    if (io.weight.value_or(0) != 0) files.write({weight, text(*io.weight), "blockIO.weight", Missing::warn});
    if (io.leafWeight.value_or(0) != 0)
        files.write({"blkio.leaf_weight", text(*io.leafWeight), "blockIO.leafWeight", Missing::warn});
    for (size_t i = 0; i < io.weightDevice.size(); ++i) {
        const spec::WeightDevice& device = io.weightDevice[i];
        std::string field = fmt::format("blockIO.weightDevice[{}]", i);
        if (uint16_t value = device.weight.value_or(0))
            files.write({weight + "_device", device_value(device.major, device.minor, value),
                         field + ".weight", Missing::warn});
        if (uint16_t value = device.leafWeight.value_or(0))
            files.write({"blkio.leaf_weight_device", device_value(device.major, device.minor, value),
                         field + ".leafWeight", Missing::warn});
    }
    auto throttle = [&](const std::vector<spec::ThrottleDevice>& devices, const char* file,
                        const char* name) {
        for (size_t i = 0; i < devices.size(); ++i)
            files.write({file, device_value(devices[i].major, devices[i].minor, devices[i].rate),
                         fmt::format("blockIO.{}[{}]", name, i), Missing::warn});
    };
    throttle(io.throttleReadBpsDevice, "blkio.throttle.read_bps_device", "throttleReadBpsDevice");
    throttle(io.throttleWriteBpsDevice, "blkio.throttle.write_bps_device", "throttleWriteBpsDevice");
    throttle(io.throttleReadIOPSDevice, "blkio.throttle.read_iops_device", "throttleReadIOPSDevice");
    throttle(io.throttleWriteIOPSDevice, "blkio.throttle.write_iops_device", "throttleWriteIOPSDevice");
}

void write_network(const ControllerFiles& net_cls, const ControllerFiles& net_prio,
                   const spec::NetworkResources& network) {
    if (network.classID)
        net_cls.write({"net_cls.classid", text(*network.classID), "network.classID", Missing::warn});
    for (size_t i = 0; i < network.priorities.size(); ++i)
        net_prio.write({"net_prio.ifpriomap",
                        fmt::format("{} {}", network.priorities[i].name, network.priorities[i].priority),
                        fmt::format("network.priorities[{}]", i), Missing::warn});
}

}  // namespace berth::runtime::v1

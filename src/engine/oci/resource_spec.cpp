// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/resource_spec.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/error.h"

namespace berth::engine {

namespace {

using spec::api::Resources;

/// µs; the kernel's default, on which NanoCpus is counted.
constexpr uint64_t kCpuPeriod = 100'000;

std::pair<int64_t, int64_t> device_number(const std::string& path) {
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) {
        int code = errno;
        throw make_error(ErrorKind::invalid_argument, "stat {}: {}", path, errno_text(code));
    }
    return {static_cast<int64_t>(major(info.st_rdev)), static_cast<int64_t>(minor(info.st_rdev))};
}

std::vector<spec::ThrottleDevice> throttles(
    const std::optional<std::vector<spec::api::ThrottleDevice>>& devices) {
    std::vector<spec::ThrottleDevice> result;
    for (const auto& device : spec::api::items(devices)) {
        auto [major_number, minor_number] = device_number(device.Path);
        result.push_back({major_number, minor_number, device.Rate});
    }
    return result;
}

std::optional<spec::MemoryResources> memory_spec(const Resources& limits) {
    spec::MemoryResources memory;
    bool any = false;
    auto set = [&](auto& into, auto value, bool is_set) {
        if (!is_set) return;
        into = value;
        any = true;
    };
    set(memory.limit, limits.Memory, limits.Memory > 0);
    set(memory.reservation, limits.MemoryReservation, limits.MemoryReservation > 0);
    set(memory.swap, limits.MemorySwap, limits.MemorySwap > 0);
    set(memory.kernelTCP, limits.KernelMemoryTCP, limits.KernelMemoryTCP > 0);
    if (limits.MemorySwappiness)
        set(memory.swappiness, static_cast<uint64_t>(*limits.MemorySwappiness),
            *limits.MemorySwappiness >= 0);
    // False is what every cgroup starts with.
    if (limits.OomKillDisable) set(memory.disableOOMKiller, true, *limits.OomKillDisable);
    return any ? std::optional(memory) : std::nullopt;
}

std::optional<spec::CpuResources> cpu_spec(const Resources& limits) {
    spec::CpuResources cpu;
    bool any = false;
    auto set = [&](auto& into, auto value, bool is_set) {
        if (!is_set) return;
        into = value;
        any = true;
    };
    if (limits.CpuShares < 0) throw Error(ErrorKind::invalid_argument, "shares: invalid argument");
    set(cpu.shares, static_cast<uint64_t>(limits.CpuShares), limits.CpuShares > 0);
    set(cpu.cpus, limits.CpusetCpus, !limits.CpusetCpus.empty());
    set(cpu.mems, limits.CpusetMems, !limits.CpusetMems.empty());
    if (limits.NanoCpus > 0) {
        set(cpu.period, kCpuPeriod, true);
        set(cpu.quota, limits.NanoCpus * static_cast<int64_t>(kCpuPeriod) / 1'000'000'000, true);
    }
    set(cpu.period, static_cast<uint64_t>(limits.CpuPeriod), limits.CpuPeriod > 0);
    set(cpu.quota, limits.CpuQuota, limits.CpuQuota != 0);
    set(cpu.realtimePeriod, static_cast<uint64_t>(limits.CpuRealtimePeriod), limits.CpuRealtimePeriod > 0);
    set(cpu.realtimeRuntime, limits.CpuRealtimeRuntime, limits.CpuRealtimeRuntime != 0);
    return any ? std::optional(std::move(cpu)) : std::nullopt;
}

std::optional<spec::BlockIoResources> block_io_spec(const Resources& limits) {
    spec::BlockIoResources io;
    if (limits.BlkioWeight > 0) io.weight = limits.BlkioWeight;
    for (const auto& device : spec::api::items(limits.BlkioWeightDevice)) {
        auto [major_number, minor_number] = device_number(device.Path);
        io.weightDevice.push_back({major_number, minor_number, device.Weight, std::nullopt});
    }
    io.throttleReadBpsDevice = throttles(limits.BlkioDeviceReadBps);
    io.throttleWriteBpsDevice = throttles(limits.BlkioDeviceWriteBps);
    io.throttleReadIOPSDevice = throttles(limits.BlkioDeviceReadIOps);
    io.throttleWriteIOPSDevice = throttles(limits.BlkioDeviceWriteIOps);
    bool any = io.weight || !io.weightDevice.empty() || !io.throttleReadBpsDevice.empty() ||
               !io.throttleWriteBpsDevice.empty() || !io.throttleReadIOPSDevice.empty() ||
               !io.throttleWriteIOPSDevice.empty();
    return any ? std::optional(std::move(io)) : std::nullopt;
}

}  // namespace

spec::Resources resource_spec(const Resources& limits) {
    spec::Resources result;
    result.memory = memory_spec(limits);
    result.cpu = cpu_spec(limits);
    result.blockIO = block_io_spec(limits);
    if (limits.PidsLimit && *limits.PidsLimit > 0) result.pids = spec::PidsResources{*limits.PidsLimit};
    return result;
}

}  // namespace berth::engine

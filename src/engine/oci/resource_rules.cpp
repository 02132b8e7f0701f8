// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "engine/oci/create_rules.h"

namespace berth::engine {

namespace {

using spec::api::Resources;

constexpr int64_t kMinMemory = 6 << 20;
/// Above so many CPUs (or above those of the host) a number in a list is a mistake.
constexpr int kMaxCpus = 8192;
/// Far above what kernels can be built for.
constexpr int kMaxHostCpus = 1 << 20;

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw make_error(ErrorKind::invalid_argument, format, std::forward<Args>(args)...);
}

/// What is taken out, because the host can't do it, and what the user is told.
class Discarded {
  public:
    explicit Discarded(std::vector<std::string>& warnings) : warnings_(warnings) {}
    template <typename T>
    void operator()(bool supported, bool asked, T& value, T without, std::string_view warning) {
        if (supported || !asked) return;
        value = std::move(without);
        warnings_.emplace_back(warning);
    }

  private:
    std::vector<std::string>& warnings_;
};

void check_memory(Resources& r, const HostFacts& host, bool update, Discarded& discard,
                  std::vector<std::string>& warnings) {
    // What clients send for "not set".
    if (r.MemorySwappiness == -1) r.MemorySwappiness.reset();

    if (r.Memory != 0 && r.Memory < kMinMemory) fail("Minimum memory limit allowed is 6MB");
    if (r.Memory > 0 && !host.memory_limit) r.MemorySwap = -1;
    discard(host.memory_limit, r.Memory > 0, r.Memory, int64_t{0},
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation "
            "discarded.");
    discard(
        host.swap_limit, r.Memory > 0 && r.MemorySwap != -1, r.MemorySwap, int64_t{-1},
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited "
        "without swap.");
    if (r.Memory > 0 && r.MemorySwap > 0 && r.MemorySwap < r.Memory)
        fail("Minimum memoryswap limit should be larger than memory limit, see usage");
    if (r.Memory == 0 && r.MemorySwap > 0 && !update)
        fail("You should always set the Memory limit when using Memoryswap limit, see usage");
    discard(
        host.memory_swappiness, r.MemorySwappiness.has_value(), r.MemorySwappiness, {},
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory "
        "swappiness discarded.");
    if (r.MemorySwappiness && (*r.MemorySwappiness < 0 || *r.MemorySwappiness > 100))
        fail("Invalid value: {}, valid memory swappiness range is 0-100", *r.MemorySwappiness);
    discard(host.memory_reservation, r.MemoryReservation > 0, r.MemoryReservation, int64_t{0},
            "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. "
            "Limitation discarded.");
    if (r.MemoryReservation > 0 && r.MemoryReservation < kMinMemory)
        fail("Minimum memory reservation allowed is 6MB");
    if (r.Memory > 0 && r.MemoryReservation > 0 && r.Memory < r.MemoryReservation)
        fail("Minimum memory limit can not be less than memory reservation limit, see usage");

    // False is what every host gives: no word about it.
    if (!host.oom_kill_disable && r.OomKillDisable == false) r.OomKillDisable.reset();
    discard(host.oom_kill_disable, r.OomKillDisable.has_value(), r.OomKillDisable, {},
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    if (r.OomKillDisable == true && r.Memory == 0)
        warnings.emplace_back(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the "
            "system "
            "running out of resources.");
}

void check_cpu(Resources& r, const HostFacts& host, Discarded& discard) {
    if (r.NanoCpus > 0 && r.CpuPeriod > 0)
        fail("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    if (r.NanoCpus > 0 && r.CpuQuota > 0)
        fail("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    if (r.NanoCpus > 0 && !host.cpu_cfs)
        fail(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not "
            "mounted");
    if (r.NanoCpus < 0 || r.NanoCpus > host.cpu_count * int64_t{1'000'000'000})
        fail("Range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available", host.cpu_count);
    discard(host.cpu_shares, r.CpuShares > 0, r.CpuShares, int64_t{0},
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    auto bandwidth = std::pair(r.CpuPeriod, r.CpuQuota);
    discard(host.cpu_cfs, bandwidth != std::pair<int64_t, int64_t>(), bandwidth, {},
            "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    std::tie(r.CpuPeriod, r.CpuQuota) = bandwidth;
    if (r.CpuPeriod != 0 && (r.CpuPeriod < 1000 || r.CpuPeriod > 1'000'000))
        fail("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    if (r.CpuQuota > 0 && r.CpuQuota < 1000) fail("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    discard(false, r.CpuPercent > 0, r.CpuPercent, int64_t{0},
            "linux does not support CPU percent. Percent discarded.");
    if (r.CpuRealtimePeriod != 0 && !host.cpu_realtime)
        fail("kernel does not support CPU real-time scheduler");
    if (r.CpuRealtimePeriod != 0 && r.CpuRealtimeRuntime != 0 && r.CpuRealtimeRuntime > r.CpuRealtimePeriod)
        fail("cpu real-time runtime cannot be higher than cpu real-time period");
}

/// "0-3,7". Nothing where it isn't such a list, or one of more parts than there are numbers, which would
/// take its time.
std::optional<std::vector<bool>> parse_number_list(std::string_view text, int maximum) {
    std::vector<bool> numbers;
    if (std::ranges::count(text, ',') > maximum) return std::nullopt;
    for (std::string_view part : split(text, ',')) {
        size_t dash = part.find('-');
        auto first = parse_number<int>(part.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : parse_number<int>(part.substr(dash + 1));
        if (!first || !last || *first < 0 || *last < *first) return std::nullopt;
        if (*last > maximum)
            throw make_error(ErrorKind::invalid_argument, "value of out range, maximum is {}", maximum);
        if (static_cast<size_t>(*last) >= numbers.size()) numbers.resize(static_cast<size_t>(*last) + 1);
        std::fill(numbers.begin() + *first, numbers.begin() + *last + 1, true);
    }
    return numbers;
}

/// Whether the host has all of `wanted`.
bool is_available(const std::string& wanted, const std::string& available, std::string_view what) {
    if (wanted.empty()) return true;
    std::vector<bool> there = parse_number_list(available, kMaxHostCpus).value_or(std::vector<bool>());
    int maximum = std::max(kMaxCpus, static_cast<int>(there.size()) - 1);
    auto asked = with_context([&] { return fmt::format("Invalid value {} for cpuset {}", wanted, what); },
                              [&] { return parse_number_list(wanted, maximum); });
    if (!asked) fail("Invalid value {} for cpuset {}: invalid format: {}", wanted, what, wanted);
    there.resize(std::max(there.size(), asked->size()));
    for (size_t number = 0; number < asked->size(); ++number)
        if ((*asked)[number] && !there[number]) return false;
    return true;
}

void check_cpuset(Resources& r, const HostFacts& host, std::vector<std::string>& warnings) {
    if (!host.cpuset && !(r.CpusetCpus.empty() && r.CpusetMems.empty())) {
        warnings.emplace_back(
            "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
        r.CpusetCpus.clear();
        r.CpusetMems.clear();
    }
    if (!is_available(r.CpusetCpus, host.cpus, "cpus"))
        fail("Requested CPUs are not available - requested {}, available: {}", r.CpusetCpus, host.cpus);
    if (!is_available(r.CpusetMems, host.mems, "mems"))
        fail("Requested memory nodes are not available - requested {}, available: {}", r.CpusetMems,
             host.mems);
}

void check_block_io(Resources& r, const HostFacts& host, Discarded& discard) {
    auto given = [](const auto& list) { return !spec::api::items(list).empty(); };
    discard(host.blkio_weight, r.BlkioWeight > 0, r.BlkioWeight, uint16_t{0},
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    if (r.BlkioWeight > 0 && (r.BlkioWeight < 10 || r.BlkioWeight > 1000))
        fail("Range of blkio weight is from 10 to 1000");
    if (r.IOMaximumBandwidth != 0 || r.IOMaximumIOps != 0)
        fail("Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps");
    discard(
        host.blkio_weight_device, given(r.BlkioWeightDevice), r.BlkioWeightDevice, {},
        "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device "
        "discarded.");
    for (const auto& device : spec::api::items(r.BlkioWeightDevice))
        if (device.Weight != 0 && (device.Weight < 10 || device.Weight > 1000))
            fail("Range of blkio weight is from 10 to 1000");
    discard(
        host.blkio_read_bps, given(r.BlkioDeviceReadBps), r.BlkioDeviceReadBps, {},
        "Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS "
        "read limit discarded.");
    discard(
        host.blkio_write_bps, given(r.BlkioDeviceWriteBps), r.BlkioDeviceWriteBps, {},
        "Your kernel does not support BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS "
        "write limit discarded.");
    discard(host.blkio_read_iops, given(r.BlkioDeviceReadIOps), r.BlkioDeviceReadIOps, {},
            "Your kernel does not support IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS "
            "read limit discarded.");
    discard(
        host.blkio_write_iops, given(r.BlkioDeviceWriteIOps), r.BlkioDeviceWriteIOps, {},
        "Your kernel does not support IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS "
        "write limit discarded.");
}

}  // namespace

std::vector<std::string> check_resources(Resources& resources, const HostFacts& host, bool update) {
    std::vector<std::string> warnings;
    Discarded discard(warnings);
    check_memory(resources, host, update, discard, warnings);
    if (!host.pids_limit && resources.PidsLimit && *resources.PidsLimit <= 0) resources.PidsLimit.reset();
    discard(host.pids_limit, resources.PidsLimit.has_value(), resources.PidsLimit, {},
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit "
            "discarded.");
    check_cpu(resources, host, discard);
    check_cpuset(resources, host, warnings);
    check_block_io(resources, host, discard);
    return warnings;
}

}  // namespace berth::engine

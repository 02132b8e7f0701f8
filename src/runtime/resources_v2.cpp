// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "runtime/resources.h"
#include "runtime/resources_writer.h"
#include "sys/file.h"

/// https://docs.kernel.org/admin-guide/cgroup-v2.html
namespace berth::runtime::v2 {

namespace {

/// -1 is how the specification says "no limit".
std::string limit_text(int64_t limit) {
    return limit < 0 ? "max" : fmt::format("{}", limit);
}

/// memory.max as it is. Without the file, as without a limit: then writing will tell what the host lacks.
int64_t current_limit(const ControllerFiles& files) {
    std::optional<uint64_t> limit = files.read_number("memory.max");
    return limit ? static_cast<int64_t>(*limit) : -1;
}

void warn_v1_only(bool given, std::string_view field) {
    if (given) log::warning("linux.resources.{} is left out: cgroup v2 has nothing like it", field);
}

}  // namespace

void write_memory(const ControllerFiles& files, const spec::MemoryResources& memory) {
    if (memory.checkBeforeUpdate.value_or(false))
        check_memory_usage(memory, files.read_number("memory.current").value_or(0));
    int64_t limit = memory.limit.value_or(0);
    int64_t swap = memory.swap.value_or(0);
    int64_t known_limit = limit != 0 || swap <= 0 ? limit : current_limit(files);
    if (std::optional<int64_t> alone = swap_only(swap, known_limit))
        files.write({"memory.swap.max", limit_text(*alone), "memory.swap",
                     *alone <= 0 ? Missing::ignore : Missing::warn});
    if (limit != 0) files.write({"memory.max", limit_text(limit), "memory.limit", Missing::warn});
    if (int64_t reservation = memory.reservation.value_or(0))
        files.write({"memory.low", limit_text(reservation), "memory.reservation", Missing::warn});
    warn_v1_only(memory.kernel.value_or(0) != 0, "memory.kernel");
    warn_v1_only(memory.kernelTCP.value_or(0) != 0, "memory.kernelTCP");
    warn_v1_only(memory.swappiness.has_value(), "memory.swappiness");
    warn_v1_only(memory.disableOOMKiller.value_or(false), "memory.disableOOMKiller");
}

void write_cpu(const ControllerFiles& files, const spec::CpuResources& cpu) {
    if (cpu.idle)
        files.write({"cpu.idle", fmt::format("{}", *cpu.idle), "cpu.idle",
                     *cpu.idle == 0 ? Missing::ignore : Missing::warn});
    // An idle group has no weight: the kernel refuses it.
    if (uint64_t shares = cpu.shares.value_or(0); shares != 0 && cpu.idle.value_or(0) == 0)
        files.write({"cpu.weight", fmt::format("{}", cpu_weight(shares)), "cpu.shares", Missing::warn});

    std::vector<Limit> bandwidth;
    int64_t quota = cpu.quota.value_or(0);
    uint64_t period = cpu.period.value_or(0);
    if (quota != 0 || period != 0) {
        // "max 100000": what isn't given stays. A single number leaves the period alone.
        std::string value = quota == 0 ? "max" : limit_text(quota);
        if (quota == 0)
            if (std::optional<std::string> now = files.read("cpu.max"); now && !now->empty())
                value = split_fields(*now).front();
        if (period != 0) value += fmt::format(" {}", period);
        bandwidth.push_back({"cpu.max", value, quota != 0 ? "cpu.quota" : "cpu.period", Missing::warn});
    }
    if (cpu.burst)
        bandwidth.push_back({"cpu.max.burst", fmt::format("{}", *cpu.burst), "cpu.burst",
                             *cpu.burst == 0 ? Missing::ignore : Missing::warn});
    files.write_together(bandwidth);
    warn_v1_only(cpu.realtimeRuntime.value_or(0) != 0, "cpu.realtimeRuntime");
    warn_v1_only(cpu.realtimePeriod.value_or(0) != 0, "cpu.realtimePeriod");
}

void write_block_io(const ControllerFiles& files, const spec::BlockIoResources& io) {
    // BFQ keeps v1's scale, the cost model of io.weight has its own.
    const bool bfq = files.has("io.bfq.weight");
    const std::string weight_file = bfq ? "io.bfq.weight" : "io.weight";
    auto scaled = [bfq](uint64_t weight) { return bfq ? weight : io_weight(weight); };
    if (uint64_t weight = io.weight.value_or(0))
        files.write(
            {weight_file, fmt::format("default {}", scaled(weight)), "blockIO.weight", Missing::warn});
    warn_v1_only(io.leafWeight.value_or(0) != 0, "blockIO.leafWeight");
    for (size_t i = 0; i < io.weightDevice.size(); ++i) {
        const spec::WeightDevice& device = io.weightDevice[i];
        std::string field = fmt::format("blockIO.weightDevice[{}]", i);
        if (uint64_t weight = device.weight.value_or(0))
            files.write({weight_file, device_value(device.major, device.minor, scaled(weight)),
                         field + ".weight", Missing::warn});
        warn_v1_only(device.leafWeight.value_or(0) != 0, field + ".leafWeight");
    }
    auto throttle = [&](const std::vector<spec::ThrottleDevice>& devices, const char* key, const char* name) {
        for (size_t i = 0; i < devices.size(); ++i) {
            // v1 takes 0 for "no limit", v2 refuses it.
            std::string rate = devices[i].rate == 0 ? "max" : fmt::format("{}", devices[i].rate);
            files.write({"io.max", fmt::format("{}:{} {}={}", devices[i].major, devices[i].minor, key, rate),
                         fmt::format("blockIO.{}[{}]", name, i), Missing::warn});
        }
    };
    throttle(io.throttleReadBpsDevice, "rbps", "throttleReadBpsDevice");
    throttle(io.throttleWriteBpsDevice, "wbps", "throttleWriteBpsDevice");
    throttle(io.throttleReadIOPSDevice, "riops", "throttleReadIOPSDevice");
    throttle(io.throttleWriteIOPSDevice, "wiops", "throttleWriteIOPSDevice");
}

void write_unified(const std::string& dir, const std::map<std::string, std::string>& unified) {
    for (const auto& [file, value] : unified) {
        if (file.empty() || file.find('/') != std::string::npos)
            throw make_error(ErrorKind::invalid_argument,
                             "linux.resources.unified: {} is not the name of a file", quote(file));
        std::string field = fmt::format("linux.resources.unified[{}]", quote(file));
        std::string controller = file.substr(0, file.find('.'));
        UniqueFd fd(::open(fmt::format("{}/{}", dir, file).c_str(), O_WRONLY | O_CLOEXEC));
        if (!fd && errno == ENOENT)
            throw make_error(ErrorKind::invalid_argument,
                             "{}: the cgroup has no such file: is the controller {} enabled?", field,
                             quote(controller));
        sys::check(fd.get(), field);
        // Files with an entry for each device take one in each write.
        for (std::string_view line : split(value, '\n')) {
            if (line.empty()) continue;
            ssize_t done = sys::retry([&] { return ::write(fd.get(), line.data(), line.size()); });
            sys::check(done, [&] { return fmt::format("{}: writing {}", field, quote(line)); });
        }
    }
}

}  // namespace berth::runtime::v2

// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <algorithm>

#include "base/strings.h"
#include "runtime/validate.h"
#include "runtime/validate_fields.h"

namespace berth::runtime {

namespace {

/// Bytes, or -1 for no limit.
void check_limit(const std::optional<int64_t>& limit, const std::string& field) {
    if (limit && *limit < -1) fail_field(field, fmt::format("{}: must be -1 (no limit) or more", *limit));
}

void check_memory(const spec::MemoryResources& memory, const std::string& field) {
    check_limit(memory.limit, field + ".limit");
    check_limit(memory.reservation, field + ".reservation");
    check_limit(memory.swap, field + ".swap");
    check_limit(memory.kernel, field + ".kernel");
    check_limit(memory.kernelTCP, field + ".kernelTCP");
    // swap is memory and swap together.
    if (memory.limit && memory.swap && *memory.limit > 0 && *memory.swap > 0 && *memory.swap < *memory.limit)
        fail_field(field + ".swap", "must not be below limit, since it counts memory and swap together");
    if (memory.swappiness && *memory.swappiness > 100)
        fail_field(field + ".swappiness", "must be from 0 to 100");
}

void check_cpu(const spec::CpuResources& cpu, const std::string& field) {
    check_number_list(cpu.cpus, field + ".cpus");
    check_number_list(cpu.mems, field + ".mems");
    if (cpu.idle && *cpu.idle != 0 && *cpu.idle != 1) fail_field(field + ".idle", "must be 0 or 1");
    if (cpu.burst && cpu.quota && *cpu.quota > 0 && *cpu.burst > static_cast<uint64_t>(*cpu.quota))
        fail_field(field + ".burst", "must not be above quota");
    if (cpu.realtimeRuntime && *cpu.realtimeRuntime < -1)
        fail_field(field + ".realtimeRuntime", "must be -1 or more");
    if (cpu.realtimeRuntime && cpu.realtimePeriod && *cpu.realtimeRuntime > 0 &&
        static_cast<uint64_t>(*cpu.realtimeRuntime) > *cpu.realtimePeriod)
        fail_field(field + ".realtimeRuntime", "must not be above realtimePeriod");
}

void check_weight(const std::optional<uint16_t>& weight, const std::string& field) {
    // 0 leaves it as it is.
    if (weight && *weight != 0 && (*weight < 10 || *weight > 1000))
        fail_field(field, "must be from 10 to 1000");
}

void check_device_number(int64_t major, int64_t minor, const std::string& field) {
    if (major < 0 || major > 0xfff) fail_field(field + ".major", "must be from 0 to 4095");
    if (minor < 0 || minor > 0xfffff) fail_field(field + ".minor", "must be from 0 to 1048575");
}

void check_throttles(const std::vector<spec::ThrottleDevice>& devices, const std::string& field) {
    for (size_t i = 0; i < devices.size(); ++i)
        check_device_number(devices[i].major, devices[i].minor, fmt::format("{}[{}]", field, i));
}

void check_block_io(const spec::BlockIoResources& io, const std::string& field) {
    check_weight(io.weight, field + ".weight");
    check_weight(io.leafWeight, field + ".leafWeight");
    for (size_t i = 0; i < io.weightDevice.size(); ++i) {
        const spec::WeightDevice& device = io.weightDevice[i];
        std::string entry = fmt::format("{}.weightDevice[{}]", field, i);
        check_device_number(device.major, device.minor, entry);
        check_weight(device.weight, entry + ".weight");
        check_weight(device.leafWeight, entry + ".leafWeight");
    }
    check_throttles(io.throttleReadBpsDevice, field + ".throttleReadBpsDevice");
    check_throttles(io.throttleWriteBpsDevice, field + ".throttleWriteBpsDevice");
    check_throttles(io.throttleReadIOPSDevice, field + ".throttleReadIOPSDevice");
    check_throttles(io.throttleWriteIOPSDevice, field + ".throttleWriteIOPSDevice");
}

void check_device_rules(const std::vector<spec::DeviceRule>& rules, const std::string& field) {
    for (size_t i = 0; i < rules.size(); ++i) {
        const spec::DeviceRule& rule = rules[i];
        std::string entry = fmt::format("{}[{}]", field, i);
        if (!rule.type.empty() && rule.type != "a" && rule.type != "c" && rule.type != "b")
            fail_field(entry + ".type", fmt::format("{}: must be a, c or b", quote(rule.type)));
        // -1 is how cgroup v1 tools write "all".
        if (rule.major.value_or(0) < -1) fail_field(entry + ".major", "must be -1 (all) or more");
        if (rule.minor.value_or(0) < -1) fail_field(entry + ".minor", "must be -1 (all) or more");
        if (rule.access.find_first_not_of("rwm") != std::string::npos)
            fail_field(entry + ".access", fmt::format("{}: must be of r, w and m", quote(rule.access)));
    }
}

bool is_page_size(std::string_view text) {
    size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || text[0] == '0') return false;
    std::string_view unit = text.substr(digits);
    return unit == "KB" || unit == "MB" || unit == "GB";
}

void check_unified(const std::map<std::string, std::string>& unified, const std::string& field) {
    for (const auto& [name, value] : unified) {
        check_text(name, field);
        if (name.empty() || name.contains('/') || name == "." || name == ".." || !name.contains('.'))
            fail_field(field, fmt::format("{} is not the name of a cgroup file", quote(name)));
        check_text(value, field + '.' + name);
    }
}

}  // namespace

void validate_resources(const spec::Resources& resources, std::string_view field_view) {
    std::string field(field_view);
    check_device_rules(resources.devices, field + ".devices");
    if (resources.memory) check_memory(*resources.memory, field + ".memory");
    if (resources.cpu) check_cpu(*resources.cpu, field + ".cpu");
    if (resources.blockIO) check_block_io(*resources.blockIO, field + ".blockIO");
    for (size_t i = 0; i < resources.hugepageLimits.size(); ++i)
        if (!is_page_size(resources.hugepageLimits[i].pageSize))
            fail_field(fmt::format("{}.hugepageLimits[{}].pageSize", field, i),
                       fmt::format("{}: must be a size as 2MB", quote(resources.hugepageLimits[i].pageSize)));
    if (resources.network)
        for (size_t i = 0; i < resources.network->priorities.size(); ++i)
            if (resources.network->priorities[i].name.empty())
                fail_field(fmt::format("{}.network.priorities[{}].name", field, i), "is required");
    check_unified(resources.unified, field + ".unified");
}

}  // namespace berth::runtime

// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runtime/resources_writer.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

using sys::Cgroup;
using sys::DeviceRule;

/// Where a controller is: in v1 if it has a hierarchy there, else in cgroup2 if the kernel has it there.
struct Place {
    const std::string* dir = nullptr;  ///< null: nowhere
    bool v2 = false;
};

Place find_controller(const Cgroup& cgroup, std::string_view v1_name, std::string_view v2_name) {
    if (const std::string* dir = cgroup.v1_dir(v1_name)) return {dir, false};
    if (cgroup.pure_v2()) return {cgroup.unified_dir(), true};
    if (!v2_name.empty() && cgroup.enable_unified(v2_name)) return {cgroup.unified_dir(), true};
    return {};
}

void write_hugepages(const ControllerFiles& files, const std::vector<spec::HugepageLimit>& limits,
                     std::string_view suffix) {
    for (size_t i = 0; i < limits.size(); ++i) {
        std::string field = fmt::format("hugepageLimits[{}]", i);
        std::string size = "hugetlb." + limits[i].pageSize;
        std::string value = fmt::format("{}", limits[i].limit);
        if (files.present() && !files.has(fmt::format("{}.{}", size, suffix)))
            throw make_error(ErrorKind::invalid_argument,
                             "linux.resources.{}.pageSize: the host has no huge pages of {}", field,
                             limits[i].pageSize);
        files.write({fmt::format("{}.{}", size, suffix), value, field + ".limit", Missing::warn});
        // Pages that are reserved, not yet used; kernels before 5.7 don't count them.
        files.write({fmt::format("{}.rsvd.{}", size, suffix), value, field + ".limit", Missing::ignore});
    }
}

void write_rdma(const ControllerFiles& files, const std::map<std::string, spec::RdmaLimit>& limits) {
    for (const auto& [device, limit] : limits) {
        std::string value = device;
        if (limit.hcaHandles) value += fmt::format(" hca_handle={}", *limit.hcaHandles);
        if (limit.hcaObjects) value += fmt::format(" hca_object={}", *limit.hcaObjects);
        if (value.size() > device.size()) files.write({"rdma.max", value, "rdma." + device, Missing::warn});
    }
}

void write_unified(const Cgroup& cgroup, const std::map<std::string, std::string>& unified) {
    const std::string* dir = cgroup.unified_dir();
    if (!dir)
        throw make_error(ErrorKind::invalid_argument, "linux.resources.unified: the host has no cgroup v2");
    if (!cgroup.pure_v2())
        for (const auto& [file, value] : unified)
            if (!file.starts_with("cgroup.")) (void)cgroup.enable_unified(file.substr(0, file.find('.')));
    v2::write_unified(*dir, unified);
}

/// Only what is asked for is looked for: the controllers are not on the way of a container without limits.
void write_limits(const Cgroup& cgroup, const spec::Resources& resources) {
    if (resources.memory) {
        Place place = find_controller(cgroup, "memory", "memory");
        ControllerFiles files(place.dir, "memory");
        place.v2 ? v2::write_memory(files, *resources.memory) : v1::write_memory(files, *resources.memory);
    }
    if (resources.cpu) {
        Place place = find_controller(cgroup, "cpu", "cpu");
        ControllerFiles files(place.dir, "cpu");
        place.v2 ? v2::write_cpu(files, *resources.cpu) : v1::write_cpu(files, *resources.cpu);
        if (!resources.cpu->cpus.empty() || !resources.cpu->mems.empty())
            v1::write_cpuset(ControllerFiles(find_controller(cgroup, "cpuset", "cpuset").dir, "cpuset"),
                             *resources.cpu);
    }
    if (int64_t limit = resources.pids ? resources.pids->limit.value_or(0) : 0)
        ControllerFiles(find_controller(cgroup, "pids", "pids").dir, "pids")
            .write({"pids.max", limit < 0 ? "max" : fmt::format("{}", limit), "pids.limit", Missing::warn});
    if (resources.blockIO) {
        Place place = find_controller(cgroup, "blkio", "io");
        ControllerFiles files(place.dir, place.v2 ? "io" : "blkio");
        place.v2 ? v2::write_block_io(files, *resources.blockIO)
                 : v1::write_block_io(files, *resources.blockIO);
    }
    if (!resources.hugepageLimits.empty()) {
        Place place = find_controller(cgroup, "hugetlb", "hugetlb");
        write_hugepages(ControllerFiles(place.dir, "hugetlb"), resources.hugepageLimits,
                        place.v2 ? "max" : "limit_in_bytes");
    }
    if (!resources.rdma.empty())
        write_rdma(ControllerFiles(find_controller(cgroup, "rdma", "rdma").dir, "rdma"), resources.rdma);
    if (resources.network)
        v1::write_network(ControllerFiles(cgroup.v1_dir("net_cls"), "net_cls"),
                          ControllerFiles(cgroup.v1_dir("net_prio"), "net_prio"), *resources.network);
    if (!resources.unified.empty()) write_unified(cgroup, resources.unified);
}

/// "c 1:3 rwm", as devices.allow takes it. A rule about all kinds of devices without all access has no form
/// there.
std::vector<std::string> v1_device_lines(const DeviceRule& rule) {
    if (rule.decides_all()) return {"a"};
    std::string access;
    if (rule.access & DeviceRule::kRead) access += 'r';
    if (rule.access & DeviceRule::kWrite) access += 'w';
    if (rule.access & DeviceRule::kMknod) access += 'm';
    auto number = [](std::optional<uint32_t> value) { return value ? fmt::format("{}", *value) : "*"; };
    if (rule.type == DeviceRule::Type::all) return {"c *:* " + access, "b *:* " + access};
    char type = rule.type == DeviceRule::Type::block ? 'b' : 'c';
    return {fmt::format("{} {}:{} {}", type, number(rule.major), number(rule.minor), access)};
}

void write_devices_v1(const std::string& dir, const std::vector<DeviceRule>& rules) {
    UniqueFd allow = sys::open_file(dir + "/devices.allow", O_WRONLY);
    UniqueFd deny = sys::open_file(dir + "/devices.deny", O_WRONLY);
    for (const DeviceRule& rule : rules) {
        for (const std::string& line : v1_device_lines(rule)) {
            int fd = rule.allow ? allow.get() : deny.get();
            if (sys::retry([&] { return ::write(fd, line.data(), line.size()); }) >= 0) continue;
            // The parent cgroup bounds what its children may use.
            if (errno != EPERM || !rule.allow)
                throw errno_error(errno, fmt::format("linux.resources.devices: writing {} to devices.{}",
                                                     quote(line), rule.allow ? "allow" : "deny"));
            log::warning("linux.resources.devices: {} is left out: the cgroup above doesn't allow it",
                         quote(line));
        }
    }
}

void write_devices(const Cgroup& cgroup, const std::vector<spec::DeviceRule>& wanted) {
    std::vector<DeviceRule> rules = device_rules(wanted);
    if (const std::string* dir = cgroup.v1_dir("devices")) return write_devices_v1(*dir, rules);
    if (!cgroup.unified_dir())
        return log::warning("linux.resources.devices is left out: the host has no cgroup for it");
    with_context("linux.resources.devices",
                 [&] { sys::set_device_filter(cgroup.unified_fd().get(), rules); });
}

std::optional<uint32_t> device_number(std::optional<int64_t> number) {
    return number && *number >= 0 ? std::optional(static_cast<uint32_t>(*number)) : std::nullopt;
}

DeviceRule device_rule(const spec::DeviceRule& rule, size_t index) {
    auto fail = [index](std::string_view problem) {
        throw make_error(ErrorKind::invalid_argument, "linux.resources.devices[{}].{}", index, problem);
    };
    DeviceRule result{rule.allow, DeviceRule::Type::all, device_number(rule.major), device_number(rule.minor),
                      0};
    if (rule.type == "c")
        result.type = DeviceRule::Type::character;
    else if (rule.type == "b")
        result.type = DeviceRule::Type::block;
    else if (!rule.type.empty() && rule.type != "a")
        fail(fmt::format("type: {}: must be a, c or b", quote(rule.type)));
    if (rule.access.empty()) fail("access: is required");
    for (char letter : rule.access) {
        if (letter == 'r')
            result.access |= DeviceRule::kRead;
        else if (letter == 'w')
            result.access |= DeviceRule::kWrite;
        else if (letter == 'm')
            result.access |= DeviceRule::kMknod;
        else
            fail(fmt::format("access: {}: must be of r, w and m", quote(rule.access)));
    }
    return result;
}

constexpr DeviceRule character(std::optional<uint32_t> major, std::optional<uint32_t> minor,
                               uint32_t access = DeviceRule::kAnyAccess) {
    return {true, DeviceRule::Type::character, major, minor, access};
}

/// https://www.kernel.org/doc/Documentation/admin-guide/devices.txt. The system console (5:1) is not among
/// them: what a container has at /dev/console is a pty of its own.
constexpr DeviceRule kDefaultDevices[] = {
    character({}, {}, DeviceRule::kMknod),
    {true, DeviceRule::Type::block, {}, {}, DeviceRule::kMknod},
    character(1, 3),     // null
    character(1, 5),     // zero
    character(1, 7),     // full
    character(1, 8),     // random
    character(1, 9),     // urandom
    character(5, 0),     // tty
    character(5, 2),     // ptmx
    character(136, {}),  // pts/*
};

}  // namespace

void apply_resources(const Cgroup& cgroup, const spec::Resources& resources, bool with_devices) {
    write_limits(cgroup, resources);
    if (with_devices) write_devices(cgroup, resources.devices);
}

void update_resources(const Cgroup& cgroup, const spec::Resources& resources) {
    // Else each limit would be told as a file that the kernel lacks.
    if (!cgroup.exists()) throw make_error(ErrorKind::not_found, "the container's cgroup is gone");
    write_limits(cgroup, resources);
    if (!resources.devices.empty()) write_devices(cgroup, resources.devices);
}

std::vector<DeviceRule> device_rules(const std::vector<spec::DeviceRule>& rules) {
    std::vector<DeviceRule> result = {{false, DeviceRule::Type::all, {}, {}, DeviceRule::kAnyAccess}};
    for (size_t i = 0; i < rules.size(); ++i) {
        DeviceRule rule = device_rule(rules[i], i);
        if (rule.decides_all()) result.clear();
        result.push_back(rule);
    }
    // Where everything is allowed the defaults add nothing.
    bool all = result.size() == 1 && result.front().allow;
    if (!all) result.insert(result.end(), std::begin(kDefaultDevices), std::end(kDefaultDevices));
    return result;
}

uint64_t cpu_weight(uint64_t shares) {
    uint64_t valid = std::clamp<uint64_t>(shares, 2, 262144);
    return 1 + (valid - 2) * 9999 / 262142;
}

uint64_t io_weight(uint64_t weight) {
    uint64_t valid = std::clamp<uint64_t>(weight, 10, 1000);
    return 1 + (valid - 10) * 9999 / 990;
}

std::optional<int64_t> swap_only(int64_t memory_and_swap, int64_t limit) {
    constexpr std::string_view kField = "linux.resources.memory.swap";
    if (memory_and_swap == 0) return limit == -1 ? std::optional<int64_t>(-1) : std::nullopt;
    if (memory_and_swap == -1 || limit == -1) return memory_and_swap;
    if (limit == 0)
        throw make_error(ErrorKind::invalid_argument, "{}: can't be set without memory.limit", kField);
    if (memory_and_swap < limit)
        throw make_error(ErrorKind::invalid_argument,
                         "{}: {} is below memory.limit ({}); it counts memory and swap together", kField,
                         memory_and_swap, limit);
    return memory_and_swap - limit;
}

}  // namespace berth::runtime

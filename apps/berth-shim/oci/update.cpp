// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/byte_size.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "command.h"
#include "runtime/intel_rdt.h"
#include "sys/file.h"

namespace berth::oci {

namespace {

constexpr auto kText = Flag::Kind::text;
constexpr auto kNumber = Flag::Kind::number;

constexpr std::array kFlags = {
    Flag{"resources", "r", kText,
         "read linux.resources from this JSON file, '-' for stdin; other flags are ignored"},
    Flag{"blkio-weight", "", kNumber, "weight for block devices, 10 to 1000"},
    Flag{"cpu-period", "", kText, "period of the CPU limit, in µs"},
    Flag{"cpu-quota", "", kText, "CPU time in each period, in µs"},
    Flag{"cpu-burst", "", kText, "CPU time that may be saved up for later, in µs"},
    Flag{"cpu-share", "", kText, "weight for the CPU"},
    Flag{"cpu-rt-period", "", kText, "period of the realtime CPU limit, in µs"},
    Flag{"cpu-rt-runtime", "", kText, "realtime CPU time in each period, in µs"},
    Flag{"cpuset-cpus", "", kText, "CPUs to use (0-3, 1,3)"},
    Flag{"cpuset-mems", "", kText, "memory nodes to use"},
    Flag{"kernel-memory", "", kText, "", "", true},
    Flag{"kernel-memory-tcp", "", kText, "", "", true},
    Flag{"memory", "", kText, "memory limit, in bytes (512m); -1: none"},
    Flag{"memory-reservation", "", kText, "memory that is left to it under pressure, in bytes"},
    Flag{"memory-swap", "", kText, "limit of memory and swap together, in bytes; -1: none"},
    Flag{"pids-limit", "", kNumber, "number of processes and threads; -1: no limit"},
    Flag{"cpu-idle", "", kText, "1: run only where the CPU is idle (SCHED_IDLE)"},
    Flag{"l3-cache-schema", "", kText, "schema of Intel RDT's L3 cache allocation"},
    Flag{"mem-bw-schema", "", kText, "schema of Intel RDT's memory bandwidth allocation"},
};

template <typename T>
void take_number(const Flags& flags, std::string_view name, std::optional<T>& into) {
    std::string text = flags.text(name);
    if (text.empty()) return;
    into = parse_number<T>(text);
    if (!into) throw make_error(ErrorKind::invalid_argument, "invalid value for {}: {}", name, quote(text));
}

void take_size(const Flags& flags, std::string_view name, std::optional<int64_t>& into) {
    std::string text = flags.text(name);
    if (text.empty()) return;
    into = text == "-1" ? -1 : parse_byte_size(text);
    if (!into) throw make_error(ErrorKind::invalid_argument, "invalid value for {}: {}", name, quote(text));
}

spec::Resources resources_of_flags(const Flags& flags) {
    spec::CpuResources cpu;
    take_number(flags, "cpu-period", cpu.period);
    take_number(flags, "cpu-quota", cpu.quota);
    take_number(flags, "cpu-burst", cpu.burst);
    take_number(flags, "cpu-share", cpu.shares);
    take_number(flags, "cpu-rt-period", cpu.realtimePeriod);
    take_number(flags, "cpu-rt-runtime", cpu.realtimeRuntime);
    take_number(flags, "cpu-idle", cpu.idle);
    cpu.cpus = flags.text("cpuset-cpus");
    cpu.mems = flags.text("cpuset-mems");

    spec::MemoryResources memory;
    take_size(flags, "memory", memory.limit);
    take_size(flags, "memory-reservation", memory.reservation);
    take_size(flags, "memory-swap", memory.swap);

    spec::Resources resources{.memory = memory, .cpu = std::move(cpu)};
    // 0 is no limit that anybody could mean: both flags are "unchanged" then.
    if (int64_t limit = flags.number("pids-limit").value_or(0)) resources.pids.emplace().limit = limit;
    if (int64_t weight = flags.number("blkio-weight").value_or(0)) {
        if (weight < 10 || weight > 1000)
            throw make_error(ErrorKind::invalid_argument, "invalid value for blkio-weight: {}", weight);
        resources.blockIO.emplace().weight = static_cast<uint16_t>(weight);
    }
    for (std::string_view name : {"kernel-memory", "kernel-memory-tcp"})
        if (flags.is_set(name)) log::warning("Setting --{} is ignored and will be removed", name);
    return resources;
}

void update_rdt(const Flags& flags, const runtime::Container& container) {
    std::string schemata;
    if (std::string l3 = flags.text("l3-cache-schema"); !l3.empty()) schemata += l3 + '\n';
    if (std::string bandwidth = flags.text("mem-bw-schema"); !bandwidth.empty()) schemata += bandwidth + '\n';
    if (schemata.empty()) return;
    std::optional<std::string> resctrl = runtime::find_resctrl();
    if (!resctrl) throw Error(ErrorKind::unavailable, "Intel RDT: resctrl is not mounted on this host");
    const auto& linux_config = container.config().linux_;
    std::string group = container.id();
    if (linux_config && linux_config->intelRdt && !linux_config->intelRdt->closID.empty())
        group = linux_config->intelRdt->closID;
    sys::write_kernel_file(fmt::format("{}/{}/schemata", *resctrl, group), schemata);
}

int update(const Invocation& invocation) {
    const Flags& flags = invocation.flags;
    runtime::Container container = invocation.container();
    std::string file = flags.text("resources");
    spec::Resources resources;
    if (file.empty())
        resources = resources_of_flags(flags);
    else
        resources = spec::decode_resources(file == "-" ? sys::read_all(0, "stdin") : sys::read_file(file));
    // Without a limit of memory none of swap can hold.
    if (resources.memory && resources.memory->limit == -1 && !resources.memory->swap)
        resources.memory->swap = -1;
    container.update(resources);
    if (file.empty()) update_rdt(flags, container);
    return 0;
}

}  // namespace

constinit const Command kUpdateCommand = {
    .name = "update",
    .summary = "change the limits of a container",
    .arguments = "<container-id>",
    .description =
        "Only what is given changes. The JSON is that of linux.resources in config.json:\n"
        "   {\"memory\": {\"limit\": 536870912}, \"cpu\": {\"quota\": 50000}, \"pids\": {\"limit\": 100}}",
    .flags = kFlags,
    .run = update,
};

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/container_flag_parts.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

using enum Flag::Kind;

constexpr Flag kFlags[] = {
    {.name = "blkio-weight",
     .kind = unsigned_number,
     .usage = "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
     .type = "uint16",
     .bits = 16},
    {.name = "cpu-period", .kind = number, .usage = "Limit CPU CFS (Completely Fair Scheduler) period"},
    {.name = "cpu-quota", .kind = number, .usage = "Limit CPU CFS (Completely Fair Scheduler) quota"},
    {.name = "cpu-rt-period", .kind = number, .usage = "Limit the CPU real-time period in microseconds"},
    {.name = "cpu-rt-runtime", .kind = number, .usage = "Limit the CPU real-time runtime in microseconds"},
    {"cpu-shares", 'c', number, "CPU shares (relative weight)"},
    {.name = "cpus", .usage = "Number of CPUs", .type = "decimal", .check = check_cpus},
    {.name = "cpuset-cpus", .usage = "CPUs in which to allow execution (0-3, 0,1)"},
    {.name = "cpuset-mems", .usage = "MEMs in which to allow execution (0-3, 0,1)"},
    {.name = "kernel-memory", .kind = bytes, .usage = "Kernel memory limit (deprecated)", .hidden = true},
    {"memory", 'm', bytes, "Memory limit"},
    {.name = "memory-reservation", .kind = bytes, .usage = "Memory soft limit"},
    {.name = "memory-swap",
     .kind = bytes,
     .usage = "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
     .check = check_memory_swap},
    {.name = "pids-limit", .kind = number, .usage = "Tune container pids limit (set -1 for unlimited)"},
    {.name = "restart",
     .usage = "Restart policy to apply when a container exits",
     .choices = "always no on-failure unless-stopped"},
};

bool has_any_flag(const Flags& flags) {
    for (const Flag& flag : kFlags)
        if (flags.is_set(flag.name)) return true;
    return false;
}

async::Task<json::Value> update(client::Engine& engine, std::string name, json::Value change) {
    client::Request request;
    request.method = "POST";
    request.path = object_path("container", name, "/update");
    request.body = std::move(change);
    co_return co_await engine.call(std::move(request));
}

/// One after the other. Warnings go to stdout after the names, as docker has it.
int run(Invocation& call) {
    const Flags& flags = call.flags;
    if (!has_any_flag(flags))
        throw Error(ErrorKind::invalid_argument,
                    "you must provide one or more flags when using this command");
    json::Object change;
    if (std::string policy = flags.text("restart"); !policy.empty())
        change["RestartPolicy"] = restart_policy(policy);
    fill_updatable_limits(flags, change);
    if (auto pids = flags.number("pids-limit"); pids && *pids != 0) change["PidsLimit"] = *pids;
    if (auto memory = flags.bytes("kernel-memory"); memory && *memory != 0) change["KernelMemory"] = *memory;
    std::string warnings, failures;
    for (const std::string& name : call.args) {
        try {
            json::Value answer = call.session.run(update(call.session.engine(), name, change));
            print_out(name + '\n');
            for (const std::string& warning : client::texts_at(answer, "Warnings"))
                warnings += warning + '\n';
        } catch (const Error& error) {
            failures += (failures.empty() ? "" : "\n") + error_line(error);
        }
    }
    print_out(warnings);
    if (!failures.empty()) throw ExitStatus{1, failures};
    return 0;
}

constexpr std::string_view kAliases[] = {"container update", "update"};

}  // namespace

constinit const Command kUpdateCommand = {
    .name = "update",
    .summary = "Update configuration of one or more containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

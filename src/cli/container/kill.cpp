// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/each_container.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {.name = "signal", .shorthand = 's', .usage = "Signal to send to the container"},
};

int run(Invocation& call) {
    client::Query query;
    if (std::string signal = call.flags.text("signal"); !signal.empty()) query.emplace_back("signal", signal);
    return post_to_each(call, "kill", std::move(query));
}

constexpr std::string_view kAliases[] = {"container kill", "kill"};

}  // namespace

constinit const Command kKillCommand = {
    .name = "kill",
    .summary = "Kill one or more running containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli

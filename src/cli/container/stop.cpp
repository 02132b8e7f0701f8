// SPDX-License-Identifier: Apache-2.0
#include "cli/container/stop.h"

#include "cli/commands.h"

namespace berth::cli {

namespace {

constexpr std::string_view kAliases[] = {"container stop", "stop"};

}  // namespace

client::Query stop_query(const Flags& flags) {
    if (flags.is_set("time") && flags.is_set("timeout"))
        throw Error(ErrorKind::invalid_argument,
                    "conflicting options: cannot specify both --timeout and --time");
    client::Query query;
    if (flags.is_set("signal")) query.emplace_back("signal", flags.text("signal"));
    for (const char* name : {"time", "timeout"})
        if (flags.is_set(name)) query.emplace_back("t", std::to_string(*flags.number(name)));
    return query;
}

constinit const Command kStopCommand = {
    .name = "stop",
    .summary = "Stop one or more running containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kStopFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = [](Invocation& call) { return post_to_each(call, "stop", stop_query(call.flags)); },
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli

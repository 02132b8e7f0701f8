// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/stop.h"

namespace berth::cli {

namespace {

constexpr std::string_view kAliases[] = {"container restart", "restart"};

}  // namespace

constinit const Command kRestartCommand = {
    .name = "restart",
    .summary = "Restart one or more containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kStopFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = [](Invocation& call) { return post_to_each(call, "restart", stop_query(call.flags), 1); },
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/each_container.h"

namespace berth::cli {

namespace {

constexpr std::string_view kAliases[] = {"container pause", "pause"};

}  // namespace

constinit const Command kPauseCommand = {
    .name = "pause",
    .summary = "Pause all processes within one or more containers",
    .arguments = "CONTAINER [CONTAINER...]",
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = [](Invocation& call) { return post_to_each(call, "pause"); },
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli

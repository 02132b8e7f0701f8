// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/each_container.h"
#include "cli/format/object_name.h"

namespace berth::cli {

namespace {

async::Task<std::string> exit_code(client::Engine& engine, std::string name) {
    auto calling = engine.call({.method = "POST", .path = object_path("container", name, "/wait")});
    json::Value answer = co_await std::move(calling);
    co_return std::to_string(client::number_at(answer, "StatusCode"));
}

int run(Invocation& call) {
    call.session.run(each_container(call.session, call.args, exit_code, 1));
    return 0;
}

constexpr std::string_view kAliases[] = {"container wait", "wait"};

}  // namespace

constinit const Command kWaitCommand = {
    .name = "wait",
    .summary = "Block until one or more containers stop, then print their exit codes",
    .arguments = "CONTAINER [CONTAINER...]",
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli

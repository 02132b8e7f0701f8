// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

int run(Invocation& call) {
    std::string_view from = trim(call.args[0]), to = trim(call.args[1]);
    if (from.empty() || to.empty())
        throw Error(ErrorKind::invalid_argument, "Error: Neither old nor new names may be empty");
    std::string path = object_path("container", from, "/rename");
    try {
        call.session.call({.method = "POST", .path = std::move(path), .query = {{"name", std::string(to)}}});
    } catch (const Error& error) {
        throw ExitStatus{
            1, fmt::format("{}\nError: failed to rename container named {}", error_line(error), from)};
    }
    return 0;
}

constexpr std::string_view kAliases[] = {"container rename", "rename"};

}  // namespace

constinit const Command kRenameCommand = {
    .name = "rename",
    .summary = "Rename a container",
    .arguments = "CONTAINER NEW_NAME",
    .min_args = 2,
    .max_args = 2,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/each_container.h"
#include "cli/format/object_name.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {"force", 'f', Flag::Kind::boolean, "Force the removal of a running container (uses SIGKILL)"},
    {"link", 'l', Flag::Kind::boolean, "Remove the specified link"},
    {"volumes", 'v', Flag::Kind::boolean, "Remove anonymous volumes associated with the container"},
};

/// `missing`: with --force an absent container is told of, but is no failure.
async::Task<std::string> remove(client::Engine& engine, std::string name, client::Query query,
                                std::vector<std::string>* missing) {
    std::string_view plain = name;
    while (plain.starts_with('/')) plain.remove_prefix(1);
    while (plain.ends_with('/')) plain.remove_suffix(1);
    if (plain.empty()) throw Error(ErrorKind::invalid_argument, "container name cannot be empty");
    client::Request request;
    request.method = "DELETE";
    request.path = object_path("container", plain);
    request.query = std::move(query);
    try {
        co_await engine.call(std::move(request));
    } catch (const client::ApiError& error) {
        if (!missing || error.kind() != ErrorKind::not_found) throw;
        missing->push_back(error_line(error));
        co_return std::string();
    }
    co_return name;
}

int run(Invocation& call) {
    client::Query query;
    bool force = call.flags.boolean("force");
    if (force) query.emplace_back("force", "1");
    if (call.flags.boolean("link")) query.emplace_back("link", "1");
    if (call.flags.boolean("volumes")) query.emplace_back("v", "1");
    std::vector<std::string> missing;
    auto act = [&](client::Engine& engine, std::string name) {
        return remove(engine, std::move(name), query, force ? &missing : nullptr);
    };
    std::optional<ExitStatus> failed;
    try {
        call.session.run(each_container(call.session, call.args, act));
    } catch (const ExitStatus& exit) {
        failed = exit;
    }
    for (const std::string& line : missing) print_error(line + '\n');
    if (failed) throw *failed;
    return 0;
}

constexpr std::string_view kAliases[] = {"container rm", "container remove", "rm"};

}  // namespace

constinit const Command kRmCommand = {
    .name = "rm",
    .summary = "Remove one or more containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

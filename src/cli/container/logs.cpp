// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/format/api_time.h"
#include "cli/format/object_name.h"
#include "cli/session.h"
#include "cli/terminal/pass_on.h"
#include "client/engine.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "details", .kind = Flag::Kind::boolean, .usage = "Show extra details provided to logs"},
    {"follow", 'f', Flag::Kind::boolean, "Follow log output"},
    {.name = "since",
     .usage = "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
              "minutes)"},
    {.name = "tail",
     .shorthand = 'n',
     .usage = "Number of lines to show from the end of the logs",
     .default_text = "all"},
    {"timestamps", 't', Flag::Kind::boolean, "Show timestamps"},
    {.name = "until",
     .usage = "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
              "minutes)"},
};

void add_time(client::Query& query, const Flags& flags, const char* name) {
    if (flags.text(name).empty()) return;
    std::string time = with_context([&] { return fmt::format("invalid value for \"{}\"", name); },
                                    [&] { return api_time(flags.text(name)); });
    query.emplace_back(name, std::move(time));
}

client::Request logs_request(const Flags& flags, const std::string& id) {
    client::Request request;
    request.path = "/containers/" + client::path_segment(id) + "/logs";
    request.query = {{"stdout", "1"}, {"stderr", "1"}};
    add_time(request.query, flags, "since");
    add_time(request.query, flags, "until");
    for (const char* name : {"timestamps", "details", "follow"})
        if (flags.boolean(name)) request.query.emplace_back(name, "1");
    request.query.emplace_back("tail", flags.text("tail"));
    return request;
}

async::Task<void> show(Session& session, const Flags& flags, std::string name) {
    client::Engine& engine = session.engine();
    client::Request inspect;
    inspect.path = object_path("container", name, "/json");
    json::Value container = co_await engine.call(std::move(inspect));
    client::Request request = logs_request(flags, client::text_at(container, "Id"));
    std::unique_ptr<client::Response> response = co_await engine.send(std::move(request));
    Outputs to{STDOUT_FILENO, STDERR_FILENO, !client::flag_at(container, "Config.Tty")};
    co_await pass_on(session.loop(), *response, to);
}

int run(Invocation& invocation) {
    invocation.session.run(show(invocation.session, invocation.flags, invocation.args[0]));
    return 0;
}

constexpr std::string_view kAliases[] = {"container logs", "logs"};

}  // namespace

constinit const Command kLogsCommand = {
    .name = "logs",
    .summary = "Fetch the logs of a container",
    .arguments = "[OPTIONS] CONTAINER",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

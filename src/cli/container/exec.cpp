// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/container/attachment.h"
#include "cli/container/container_flag_parts.h"
#include "cli/container/container_flags.h"
#include "cli/format/object_name.h"
#include "cli/output.h"
#include "cli/terminal/window_size.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {"detach", 'd', Flag::Kind::boolean, "Detached mode: run command in the background"},
    {.name = "detach-keys", .usage = "Override the key sequence for detaching a container"},
    {.name = "env",
     .shorthand = 'e',
     .kind = Flag::Kind::list,
     .usage = "Set environment variables",
     .type = "list",
     .check = check_env},
    {.name = "env-file",
     .kind = Flag::Kind::list,
     .usage = "Read in a file of environment variables",
     .type = "list",
     .words = Words::files},
    {"interactive", 'i', Flag::Kind::boolean, "Keep STDIN open even if not attached"},
    {.name = "privileged", .kind = Flag::Kind::boolean, .usage = "Give extended privileges to the command"},
    {"tty", 't', Flag::Kind::boolean, "Allocate a pseudo-TTY"},
    {.name = "user", .shorthand = 'u', .usage = "Username or UID (format: \"<name|uid>[:<group|gid>]\")"},
    {.name = "workdir", .shorthand = 'w', .usage = "Working directory inside the container"},
};

json::Object body_of(Invocation& call) {
    const Flags& flags = call.flags;
    json::Object body;
    json::Array command, environment;
    for (size_t i = 1; i < call.args.size(); ++i) command.emplace_back(call.args[i]);
    for (const std::string& pair : environment_from(flags.list("env-file"), flags.list("env")))
        environment.emplace_back(pair);
    bool is_attached = !flags.boolean("detach"), has_tty = flags.boolean("tty");
    body["User"] = flags.text("user");
    body["Privileged"] = flags.boolean("privileged");
    body["Tty"] = has_tty;
    if (WindowSize size = window_size(STDOUT_FILENO); has_tty && size != WindowSize{})
        body["ConsoleSize"] = json::Array{size.rows, size.columns};
    body["AttachStdin"] = is_attached && flags.boolean("interactive");
    body["AttachStderr"] = is_attached;
    body["AttachStdout"] = is_attached;
    body["DetachKeys"] = detach_keys_for(call.session, flags);
    body["Env"] = std::move(environment);
    body["WorkingDir"] = flags.text("workdir");
    body["Cmd"] = std::move(command);
    return body;
}

client::Request start_request(const std::string& id, const json::Object& body, bool is_detached) {
    client::Request request;
    request.method = "POST";
    request.path = fmt::format("/exec/{}/start", id);
    json::Object start{{"Detach", is_detached}, {"Tty", body.at("Tty")}};
    if (auto size = body.find("ConsoleSize"); size != body.end()) start["ConsoleSize"] = size->value();
    request.body = std::move(start);
    return request;
}

async::Task<int> exit_code(Session& session, std::string id) {
    client::Request request;
    request.path = fmt::format("/exec/{}/json", id);
    try {
        auto calling = session.engine().call(std::move(request));
        json::Value answer = co_await std::move(calling);
        co_return static_cast<int>(client::number_at(answer, "ExitCode"));
    } catch (const client::ConnectionError& error) {
        // Docker's status and silence.
        throw ExitStatus{255, session.is_stderr_terminal() ? error_line(error) : ""};
    }
}

async::Task<void> inspect_container(Session& session, std::string name) {
    auto calling = session.engine().call({.path = object_path("container", name, "/json")});
    co_await std::move(calling);
}

async::Task<int> execute(Foreground& foreground, Invocation& call) {
    Session& session = call.session;
    bool is_detached = call.flags.boolean("detach");
    json::Object body = body_of(call);
    Attachment attachment;
    attachment.in = body["AttachStdin"].as_bool();
    attachment.out = attachment.err = !is_detached;
    attachment.tty = body["Tty"].as_bool();
    attachment.detach_keys = detach_keys_for(session, call.flags);
    if (attachment.in && attachment.tty && !session.is_stdin_terminal()) {
        // A container that is not there is told first.
        auto looking = inspect_container(session, call.args[0]);
        co_await std::move(looking);
        check_terminal(session, attachment.in, attachment.tty);
    }
    auto creating = session.engine().call(
        {.method = "POST", .path = object_path("container", call.args[0], "/exec"), .body = body});
    json::Value created = co_await std::move(creating);
    std::string id = client::text_at(created, "Id");
    client::Request start = start_request(id, body, is_detached);
    if (is_detached) {
        auto starting = session.engine().call(std::move(start));
        co_await std::move(starting);
        co_return 0;
    }
    auto hijacking = session.engine().hijack(std::move(start));
    attachment.connection = co_await std::move(hijacking);
    if (attachment.tty && session.is_stdin_terminal()) follow_window(foreground, "/exec/" + id);
    auto joining = join_streams(foreground, attachment, nullptr);
    RelayEnd end = co_await std::move(joining);
    if (end == RelayEnd::detached) throw Error(ErrorKind::conflict, "read escape sequence");
    auto asking = exit_code(session, id);
    int status = co_await std::move(asking);
    co_return status;
}

int run(Invocation& call) {
    Foreground foreground(call.session);
    return foreground.run(execute(foreground, call));
}

constexpr std::string_view kAliases[] = {"container exec", "exec"};

}  // namespace

constinit const Command kExecCommand = {
    .name = "exec",
    .summary = "Execute a command in a running container",
    .arguments = "[OPTIONS] CONTAINER COMMAND [ARG...]",
    .flags = kFlags,
    .min_args = 2,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .ends_flags_at_word = true,
    .words = Words::running_containers,
};

}  // namespace berth::cli

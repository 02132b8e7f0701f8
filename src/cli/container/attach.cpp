// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/container/attachment.h"
#include "cli/format/object_name.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {.name = "detach-keys", .usage = "Override the key sequence for detaching a container"},
    {.name = "no-stdin", .kind = Flag::Kind::boolean, .usage = "Do not attach STDIN"},
    {.name = "sig-proxy",
     .kind = Flag::Kind::boolean,
     .usage = "Proxy all received signals to the process",
     .default_text = "true"},
};

async::Task<json::Value> inspect_running(Session& session, std::string name) {
    auto calling = session.engine().call({.path = object_path("container", name, "/json")});
    json::Value found = co_await std::move(calling);
    if (!client::flag_at(found, "State.Running"))
        throw Error(ErrorKind::conflict, "You cannot attach to a stopped container, start it first");
    if (client::flag_at(found, "State.Paused"))
        throw Error(ErrorKind::conflict, "You cannot attach to a paused container, unpause it first");
    if (client::flag_at(found, "State.Restarting"))
        throw Error(ErrorKind::conflict,
                    "You cannot attach to a restarting container, wait until it is running");
    co_return found;
}

async::Task<int> attach_to(Foreground& foreground, Invocation& call) {
    Session& session = call.session;
    std::string name = call.args[0];
    auto looking = inspect_running(session, name);
    json::Value found = co_await std::move(looking);
    std::string id = client::text_at(found, "Id");
    Attachment wanted;
    wanted.tty = client::flag_at(found, "Config.Tty");
    bool has_stdin = !call.flags.boolean("no-stdin");
    check_terminal(session, has_stdin, wanted.tty);
    wanted.in = has_stdin && client::flag_at(found, "Config.OpenStdin");
    wanted.out = wanted.err = true;
    wanted.detach_keys = detach_keys_for(session, call.flags);
    if (call.flags.boolean("sig-proxy") && !wanted.tty) proxy_signals(foreground, id);

    auto waiting = ExitWait::begin(session, id, "not-running");
    std::shared_ptr<ExitWait> wait = co_await std::move(waiting);
    auto attaching = attach(session, id, std::move(wanted));
    Attachment attachment = co_await std::move(attaching);
    // One that ended meanwhile would leave us waiting for its next start.
    auto again = inspect_running(session, id);
    co_await std::move(again);
    if (attachment.tty && session.is_stdout_terminal()) follow_window(foreground, "/containers/" + id, true);

    auto joining = join_streams(foreground, attachment, wait.get());
    RelayEnd end = co_await std::move(joining);
    if (end == RelayEnd::detached) throw Error(ErrorKind::conflict, "read escape sequence");
    auto ending = wait->status();
    int status = co_await std::move(ending);
    co_return status;
}

int run(Invocation& call) {
    Foreground foreground(call.session);
    return run_attached(foreground, attach_to(foreground, call));
}

constexpr std::string_view kAliases[] = {"container attach", "attach"};

}  // namespace

constinit const Command kAttachCommand = {
    .name = "attach",
    .summary = "Attach local standard input, output, and error streams to a running container",
    .arguments = "[OPTIONS] CONTAINER",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::running_containers,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/container/attachment.h"
#include "cli/format/object_name.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    {"attach", 'a', Flag::Kind::boolean, "Attach STDOUT/STDERR and forward signals"},
    // Docker's help shows these two only where the daemon is experimental, which ours never is.
    {.name = "checkpoint", .usage = "Restore from this checkpoint", .hidden = true},
    {.name = "checkpoint-dir", .usage = "Use a custom checkpoint storage directory", .hidden = true},
    {.name = "detach-keys", .usage = "Override the key sequence for detaching a container"},
    {"interactive", 'i', Flag::Kind::boolean, "Attach container's STDIN"},
};

async::Task<void> post_start(Session& session, std::string name) {
    auto calling =
        session.engine().call({.method = "POST", .path = object_path("container", name, "/start")});
    co_await std::move(calling);
}

async::Task<int> start_all(Session& session, std::vector<std::string> names) {
    std::vector<std::string> failed;
    std::string told;
    for (const std::string& name : names) {
        std::string problem;
        try {
            auto starting = post_start(session, name);
            co_await std::move(starting);
            print_out(name + '\n');
        } catch (const Error& error) {
            std::string line = error_line(error) + '\n';
            print_error(line);
            told += line;
            failed.push_back(name);
        }
    }
    if (!failed.empty())
        throw ExitStatus{1, "Error: failed to start containers: " + join(failed, ", "), told};
    co_return 0;
}

async::Task<int> start_attached(Foreground& foreground, Invocation& call) {
    Session& session = call.session;
    auto looking = session.engine().call({.path = object_path("container", call.args[0], "/json")});
    json::Value found = co_await std::move(looking);
    std::string id = client::text_at(found, "Id");
    Attachment wanted;
    wanted.tty = client::flag_at(found, "Config.Tty");
    wanted.in = call.flags.boolean("interactive") && client::flag_at(found, "Config.OpenStdin");
    wanted.out = wanted.err = true;
    wanted.detach_keys = detach_keys_for(session, call.flags);
    if (!wanted.tty) proxy_signals(foreground, id);

    auto attaching = attach(session, id, std::move(wanted));
    Attachment attachment = co_await std::move(attaching);
    bool is_removed = client::flag_at(found, "HostConfig.AutoRemove");
    auto waiting = ExitWait::begin(session, id, is_removed ? "removed" : "next-exit");
    std::shared_ptr<ExitWait> wait = co_await std::move(waiting);
    auto starting = post_start(session, id);
    co_await std::move(starting);
    if (attachment.tty && session.is_stdout_terminal()) follow_window(foreground, "/containers/" + id);

    auto joining = join_streams(foreground, attachment, wait.get());
    RelayEnd end = co_await std::move(joining);
    if (end == RelayEnd::detached) co_return 0;
    auto ending = wait->status();
    int status = co_await std::move(ending);
    co_return status;
}

int run(Invocation& call) {
    const Flags& flags = call.flags;
    if (flags.is_set("checkpoint") || flags.is_set("checkpoint-dir"))
        throw make_error(ErrorKind::not_implemented,
                         "\"--{}\" is only supported on a Docker daemon with experimental features enabled",
                         flags.is_set("checkpoint") ? "checkpoint" : "checkpoint-dir");
    if (!flags.boolean("attach") && !flags.boolean("interactive"))
        return call.session.run(start_all(call.session, call.args));
    if (call.args.size() > 1)
        throw Error(ErrorKind::invalid_argument, "you cannot start and attach multiple containers at once");
    Foreground foreground(call.session);
    return run_attached(foreground, start_attached(foreground, call));
}

constexpr std::string_view kAliases[] = {"container start", "start"};

}  // namespace

constinit const Command kStartCommand = {
    .name = "start",
    .summary = "Start one or more stopped containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::stopped_containers,
};

}  // namespace berth::cli

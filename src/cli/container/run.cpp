// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/container/attachment.h"
#include "cli/container/create_container.h"
#include "cli/output.h"

namespace berth::cli {

namespace {

/// The exit statuses of shells for a program that is not there or can't be run; 125 for all else.
int status_for(std::string_view message) {
    auto has = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
    if (has("executable file not found") || has("no such file or directory") ||
        has("system cannot find the file specified"))
        return 127;
    if (has("permission denied") || has("is a directory")) return 126;
    return 125;
}

ExitStatus failure(const Invocation& call, const Error& error) {
    std::string message = error_line(error);
    return {status_for(message), message_with_help(call, message)};
}

async::Task<void> post_start(Session& session, std::string id) {
    auto calling = session.engine().call({.method = "POST", .path = fmt::format("/containers/{}/start", id)});
    co_await std::move(calling);
}

void make_detached(ContainerRequest& request) {
    request.attach_stdin = request.attach_stdout = request.attach_stderr = false;
    for (const char* key : {"AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"})
        request.body.erase(key);
}

/// One run, attached or not.
class Run {
  public:
    Run(Foreground& foreground, Invocation& call, ContainerRequest request)
        : foreground_(foreground), call_(call), session_(call.session), request_(std::move(request)) {}

    async::Task<int> run() {
        co_await create();
        if (call_.flags.boolean("sig-proxy")) proxy_signals(foreground_, id_);
        bool has_output = request_.attach_stdout || request_.attach_stderr;
        if (call_.flags.boolean("detach")) print_out(id_ + '\n');
        if (!has_output && !request_.attach_stdin) {
            co_await start();
            co_return 0;
        }
        co_await prepare();
        co_await start();
        if (request_.tty && session_.is_stdout_terminal()) follow_window(foreground_, "/containers/" + id_);
        auto joining = join_streams(foreground_, attachment_, wait_.get());
        RelayEnd end = co_await std::move(joining);
        if (end == RelayEnd::detached || !has_output) co_return 0;
        auto ending = wait_->status();
        int status = co_await std::move(ending);
        co_return status;
    }

  private:
    async::Task<void> create() {
        try {
            auto creating = create_container(session_, request_);
            id_ = co_await std::move(creating);
        } catch (const Error& error) {
            throw failure(call_, error);
        }
    }

    /// Both before the start, so that neither output nor end is missed.
    async::Task<void> prepare() {
        std::vector<async::Task<void>> tasks;
        tasks.push_back(attach_streams());
        tasks.push_back(begin_wait());
        auto preparing = async::all_of(std::move(tasks));
        co_await std::move(preparing);
    }

    async::Task<void> attach_streams() {
        Attachment wanted;
        wanted.in = request_.attach_stdin;
        wanted.out = request_.attach_stdout;
        wanted.err = request_.attach_stderr;
        wanted.tty = request_.tty;
        wanted.detach_keys = detach_keys_for(session_, call_.flags);
        auto attaching = attach(session_, id_, std::move(wanted));
        attachment_ = co_await std::move(attaching);
    }

    async::Task<void> begin_wait() {
        auto waiting = ExitWait::begin(session_, id_, request_.auto_remove ? "removed" : "next-exit");
        wait_ = co_await std::move(waiting);
    }

    async::Task<void> start() {
        std::optional<ExitStatus> failed;
        try {
            auto starting = post_start(session_, id_);
            co_await std::move(starting);
        } catch (const Error& error) {
            failed = failure(call_, error);
        }
        if (!failed) co_return;
        attachment_.connection.stream.reset();
        if (request_.auto_remove && wait_) {
            auto removing = wait_->status();
            co_await std::move(removing);
        }
        throw *failed;
    }

    Foreground& foreground_;
    Invocation& call_;
    Session& session_;
    ContainerRequest request_;
    std::string id_;
    Attachment attachment_;
    std::shared_ptr<ExitWait> wait_;
};

int run(Invocation& call) {
    ContainerRequest request = parse_container_or_exit(call);
    if (call.flags.boolean("detach")) {
        if (call.flags.is_set("attach"))
            throw Error(ErrorKind::invalid_argument,
                        "conflicting options: cannot specify both --attach and --detach");
        make_detached(request);
    } else {
        check_terminal(call.session, request.attach_stdin, request.tty);
    }
    Foreground foreground(call.session);
    Run run(foreground, call, std::move(request));
    return run_attached(foreground, run.run());
}

constexpr std::string_view kAliases[] = {"container run", "run"};

}  // namespace

constinit const Command kRunCommand = {
    .name = "run",
    .summary = "Create and run a new container from an image",
    .arguments = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    .flags = kRunFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .ends_flags_at_word = true,
    .words = Words::images,
};

}  // namespace berth::cli

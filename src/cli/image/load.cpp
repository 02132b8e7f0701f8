// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/image/platform_query.h"
#include "cli/image/progress.h"
#include "cli/terminal/pass_on.h"
#include "sys/file.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    Flag{.name = "input",
         .shorthand = 'i',
         .usage = "Read from tar archive file, instead of STDIN",
         .words = Words::files},
    Flag{.name = "platform",
         .usage = "Load only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., "
                  "\"linux/amd64\")"},
    quiet_flag("Suppress the load output"),
};

async::Task<void> load(Session& session, client::Request request) {
    std::unique_ptr<client::Response> response = co_await session.engine().send(std::move(request));
    if (response->header("Content-Type").starts_with("application/json")) {
        co_await show_progress(*response, session.is_stdout_terminal(), STDOUT_FILENO);
    } else {
        co_await pass_on(session.loop(), *response);
    }
}

int run(Invocation& call) {
    std::string path = call.flags.text("input");
    UniqueFd file;
    if (!path.empty())
        file = sys::open_file(path, O_RDONLY);
    else if (call.session.is_stdin_terminal())
        throw Error(ErrorKind::invalid_argument, "requested load from stdin, but stdin is empty");

    client::Request request{.method = "POST", .path = "/images/load"};
    bool quiet = call.flags.boolean("quiet") || !call.session.is_stdout_terminal();
    if (std::string platform = call.flags.text("platform"); !platform.empty())
        request.query.emplace_back("platform", checked_platform_query(platform));
    request.query.emplace_back("quiet", quiet ? "1" : "0");
    request.file = file ? file.get() : STDIN_FILENO;
    call.session.run(load(call.session, std::move(request)));
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image load", "load"};

}  // namespace

constexpr Command kLoadCommand{
    .name = "load",
    .summary = "Load an image from a tar archive or STDIN",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

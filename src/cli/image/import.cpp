// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "cli/commands.h"
#include "cli/image/image_flags.h"
#include "cli/image/progress.h"
#include "spec/reference.h"
#include "sys/file.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kChangeFlag,
    Flag{.name = "message", .shorthand = 'm', .usage = "Set commit message for imported image"},
    Flag{.name = "platform", .usage = "Set platform if server is multi-platform capable"},
};

int run(Invocation& call) {
    const std::string& source = call.args[0];
    std::string name = call.args.size() > 1 ? call.args[1] : "";
    bool is_url = source.starts_with("http://") || source.starts_with("https://");
    UniqueFd file;
    if (source != "-" && !is_url) file = sys::open_file(source, O_RDONLY);
    if (!name.empty()) spec::Reference::parse(name);

    client::Request request{.method = "POST", .path = "/images/create"};
    for (const std::string& change : call.flags.list("change")) request.query.emplace_back("changes", change);
    request.query.emplace_back("fromSrc", is_url ? source : "-");
    if (std::string message = call.flags.text("message"); !message.empty())
        request.query.emplace_back("message", message);
    if (std::string platform = platform_flag(call.flags); !platform.empty())
        request.query.emplace_back("platform", platform);
    if (!name.empty()) request.query.emplace_back("repo", name);
    if (!is_url) request.file = file ? file.get() : STDIN_FILENO;
    request.content_type = "text/plain";
    call.session.run(send_with_progress(call.session, std::move(request), call.session.is_stdout_terminal(),
                                        STDOUT_FILENO));
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image import", "import"};

}  // namespace

constexpr Command kImportCommand{
    .name = "import",
    .summary = "Import the contents from a tarball to create a filesystem image",
    .arguments = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::files,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/format/object_name.h"
#include "cli/image/archive_output.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

constexpr Flag kFlags[] = {
    kArchiveOutputFlag,
};

int run(Invocation& call) {
    ArchiveOutput output(call.session, call.flags.text("output"), "failed to export container");
    client::Request request;
    request.path = object_path("container", call.args[0], "/export");
    output.take(std::move(request));
    return 0;
}

constexpr std::string_view kAliases[] = {"container export", "export"};

}  // namespace

constinit const Command kExportCommand = {
    .name = "export",
    .summary = "Export a container's filesystem as a tar archive",
    .arguments = "[OPTIONS] CONTAINER",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::containers,
};

}  // namespace berth::cli

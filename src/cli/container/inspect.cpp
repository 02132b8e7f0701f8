// SPDX-License-Identifier: Apache-2.0
#include "cli/format/inspect.h"

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/object_name.h"
#include "cli/session.h"
#include "client/engine.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kInspectFormatFlag,
    {"size", 's', Flag::Kind::boolean, "Display total file sizes"},
};

int run(Invocation& invocation) {
    Session& session = invocation.session;
    bool has_size = invocation.flags.boolean("size");
    constexpr std::string_view kType = "container.InspectResponse";
    return inspect(invocation.flags.text("format"), invocation.args, kType, [&](const std::string& name) {
        client::Request request;
        request.path = object_path("container", name, "/json");
        if (has_size) request.query.emplace_back("size", "1");
        return session.call(std::move(request));
    });
}

}  // namespace

constinit const Command kContainerInspectCommand = {
    .name = "inspect",
    .summary = "Display detailed information on one or more containers",
    .arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::containers,
};

}  // namespace berth::cli

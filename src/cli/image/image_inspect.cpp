// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/inspect.h"
#include "cli/image/platform_query.h"
#include "cli/session.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kInspectFormatFlag,
    Flag{.name = "platform",
         .usage = "Inspect a specific platform of the multi-platform image.\n"
                  "If the image or the server is not multi-platform capable, the command will error out if "
                  "the platform does not match.\n"
                  "'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"},
};

int run(Invocation& call) {
    client::Query query;
    if (std::string platform = call.flags.text("platform"); !platform.empty())
        query.emplace_back("platform", platform_query(platform));
    auto find = [&](const std::string& name) {
        if (name.empty()) throw Error(ErrorKind::not_found, "Error: No such image: ");
        return call.session.call({.path = "/images/" + client::path_name(name) + "/json", .query = query});
    };
    return inspect(call.flags.text("format"), call.args, "image.InspectResponse", find);
}

}  // namespace

constexpr Command kImageInspectCommand{
    .name = "inspect",
    .summary = "Display detailed information on one or more images",
    .arguments = "[OPTIONS] IMAGE [IMAGE...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .words = Words::images,
};

}  // namespace berth::cli

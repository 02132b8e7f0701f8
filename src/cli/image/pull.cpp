// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <array>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/image/image_flags.h"
#include "cli/image/progress.h"
#include "cli/output.h"
#include "spec/reference.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kPullAllTagsFlag,
    Flag{.name = "disable-content-trust",
         .kind = Flag::Kind::boolean,
         .usage = "Skip image verification",
         .default_text = "true"},
    Flag{.name = "platform", .usage = "Set platform if server is multi-platform capable"},
    quiet_flag("Suppress verbose output"),
};

int run(Invocation& call) {
    spec::Reference reference = spec::Reference::parse(call.args[0]);
    bool all = call.flags.boolean("all-tags"), quiet = call.flags.boolean("quiet");
    bool is_name_only = !reference.tag() && !reference.digest();
    if (all && !is_name_only)
        throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
    if (!call.flags.boolean("disable-content-trust"))
        throw Error(ErrorKind::not_implemented, "content trust is not yet available");
    if (!all && is_name_only) {
        reference = reference.with_default_tag();
        if (!quiet) print_out("Using default tag: latest\n");
    }
    auto pull = all ? pull_all_tags : pull_image;
    call.session.run(pull(call.session, reference.text(), platform_flag(call.flags), quiet, STDOUT_FILENO));
    print_out(reference.text() + '\n');
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image pull", "pull"};

}  // namespace

constexpr Command kPullCommand{
    .name = "pull",
    .summary = "Download an image from a registry",
    .arguments = "[OPTIONS] NAME[:TAG|@DIGEST]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "cli/format/format_flag.h"
#include "cli/image/image_flags.h"
#include "commands.h"
#include "progress.h"
#include "registry_client.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    cli::kPullAllTagsFlag,
    Flag{.name = "platform", .usage = "Set platform if the image has several"},
    cli::quiet_flag("Suppress verbose output"),
    kMirrorFlag,
    kInsecureFlag,
    kCertsDirFlag,
};

int run(Invocation& call) {
    spec::Reference reference = spec::Reference::parse(call.args[0]);
    registry::PullOptions options;
    options.all_tags = call.flags.boolean("all-tags");
    if (options.all_tags && (reference.tag() || reference.digest()))
        throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
    if (!options.all_tags && !reference.tag() && !reference.digest()) {
        reference = reference.with_default_tag();
        if (!call.flags.boolean("quiet")) print_out(fmt::format("Using default tag: {}\n", *reference.tag()));
    }
    if (call.flags.is_set("platform")) {
        options.platform = spec::Platform::parse(call.flags.text("platform"));
        options.platform_given = true;
    }
    ProgressDisplay display;
    if (!call.flags.boolean("quiet"))
        options.progress = [&display](const registry::Progress& event) { display.show(event); };

    store::Store store = open_store(call);
    registry::Client client(call.session.loop(), client_config(call.flags));
    call.session.run(client.pull(store, reference, user_credentials(), std::move(options)));
    print_out(reference.text() + '\n');
    return 0;
}

}  // namespace

constexpr Command kStorePullCommand{
    .name = "pull",
    .summary = "Download an image from a registry",
    .arguments = "[OPTIONS] NAME[:TAG|@DIGEST]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::app

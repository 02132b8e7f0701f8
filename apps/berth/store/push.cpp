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
    cli::kPushAllTagsFlag,
    Flag{.name = "compression",
         .usage = "Compression of layers that have none yet (gzip, zstd)",
         .default_text = "gzip"},
    Flag{.name = "platform", .usage = "Push the image of this platform only"},
    cli::quiet_flag("Suppress verbose output"),
    kMirrorFlag,
    kInsecureFlag,
    kCertsDirFlag,
};

store::Compression parse_compression(const std::string& text) {
    for (store::Compression known : {store::Compression::gzip, store::Compression::zstd})
        if (text == store::to_string(known)) return known;
    throw make_error(ErrorKind::invalid_argument, "unknown compression {}: there are gzip and zstd", text);
}

int run(Invocation& call) {
    spec::Reference reference = spec::Reference::parse(call.args[0]);
    registry::PushOptions options;
    options.all_tags = call.flags.boolean("all-tags");
    if (options.all_tags && reference.tag())
        throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
    bool is_quiet = call.flags.boolean("quiet");
    if (!options.all_tags && !reference.tag()) {
        reference = reference.with_default_tag();
        if (!is_quiet) print_out(fmt::format("Using default tag: {}\n", *reference.tag()));
    }
    if (call.flags.is_set("compression"))
        options.compression = parse_compression(call.flags.text("compression"));
    if (call.flags.is_set("platform")) options.platform = spec::Platform::parse(call.flags.text("platform"));
    ProgressDisplay display;
    if (!is_quiet) options.progress = [&display](const registry::Progress& event) { display.show(event); };

    store::Store store = open_store(call);
    registry::Client client(call.session.loop(), client_config(call.flags));
    call.session.run(client.push(store, reference, user_credentials(), std::move(options)));
    if (is_quiet) print_out(reference.text() + '\n');
    return 0;
}

}  // namespace

constexpr Command kStorePushCommand{
    .name = "push",
    .summary = "Upload an image to a registry",
    .arguments = "[OPTIONS] NAME[:TAG]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

}  // namespace berth::app

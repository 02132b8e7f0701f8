// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/image/image_flags.h"
#include "cli/image/note.h"
#include "cli/image/platform_query.h"
#include "cli/image/progress.h"
#include "cli/output.h"
#include "spec/reference.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kPushAllTagsFlag,
    Flag{.name = "disable-content-trust",
         .kind = Flag::Kind::boolean,
         .usage = "Skip image signing",
         .default_text = "true"},
    Flag{.name = "platform",
         .usage =
             "Push a platform-specific manifest as a single-platform image to the registry.\n"
             "Image index won't be pushed, meaning that other manifests, including attestations won't be "
             "preserved.\n"
             "'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)"},
    quiet_flag("Suppress verbose output"),
};

constexpr std::string_view kPlatformNote =
    "Using --platform pushes only the specified platform manifest of a multi-platform image index.\n"
    "Other components, like attestations, will not be included.\n"
    "To push the complete multi-platform image, remove the --platform flag.\n";

std::string platform_of(Invocation& call) {
    std::string platform = call.flags.text("platform");
    if (platform.empty()) return {};
    try {
        platform = platform_query(platform);
    } catch (const Error&) {
        print_error("Invalid platform " + platform);
        throw;
    }
    print_out(note(kPlatformNote, call.session.has_colours()));
    return platform;
}

/// What the daemon remarks on a push of an image for several platforms.
std::string note_of(const json::Value& aux, bool colours) {
    if (client::flag_at(aux, "manifestPushedInsteadOfIndex"))
        return note(
            fmt::format("Not all multiplatform-content is present and only the available single-platform "
                        "image was pushed\n\x1b[31m{}\x1b[0m -> \x1b[32m{}\x1b[0m",
                        client::text_at(aux, "originalIndex.digest"),
                        client::text_at(aux, "selectedManifest.digest")),
            colours);
    return {};
}

spec::Reference reference_of(const Invocation& call) {
    spec::Reference reference = spec::Reference::parse(call.args[0]);
    bool is_name_only = !reference.tag() && !reference.digest();
    if (call.flags.boolean("all-tags")) {
        if (!is_name_only) throw Error(ErrorKind::invalid_argument, "tag can't be used with --all-tags/-a");
        return reference;
    }
    if (is_name_only && !call.flags.boolean("quiet")) print_out("Using default tag: latest\n");
    return reference.with_default_tag();
}

int run(Invocation& call) {
    std::string platform = platform_of(call);
    spec::Reference reference = reference_of(call);
    bool quiet = call.flags.boolean("quiet");
    if (reference.digest()) throw Error(ErrorKind::invalid_argument, "cannot push a digest reference");
    if (!call.flags.boolean("disable-content-trust"))
        throw Error(ErrorKind::not_implemented, "content trust is not yet available");

    client::Request request{.method = "POST",
                            .path = "/images/" + client::path_name(reference.name()) + "/push"};
    if (!platform.empty()) request.query.emplace_back("platform", platform);
    if (reference.tag()) request.query.emplace_back("tag", *reference.tag());
    request.headers.emplace_back("X-Registry-Auth",
                                 client::registry_auth(call.session.config(), reference.name()));
    std::string notes;
    bool colours = call.session.has_colours();
    auto aux = [&notes, colours](const json::Value& value) { notes += note_of(value, colours); };
    call.session.run(send_with_progress(call.session, std::move(request), call.session.is_stdout_terminal(),
                                        quiet ? -1 : STDOUT_FILENO, aux));
    if (quiet) print_out(reference.text() + '\n');
    print_out(notes);
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image push", "push"};

}  // namespace

constexpr Command kPushCommand{
    .name = "push",
    .summary = "Upload an image to a registry",
    .arguments = "[OPTIONS] NAME[:TAG]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::images,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "cli/image/image_flags.h"
#include "commands.h"
#include "interruptible.h"
#include "store/derive.h"
#include "store_flags.h"
#include "sys/file.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    cli::kChangeFlag,
    Flag{.name = "message", .shorthand = 'm', .usage = "Set commit message for imported image"},
    Flag{.name = "platform", .usage = "Set platform of the image"},
};

int run(Invocation& call) {
    const std::string& source = call.args[0];
    if (source.starts_with("http://") || source.starts_with("https://"))
        throw Error(ErrorKind::not_implemented,
                    "import from a URL is not supported: fetch it, and import from standard input (-)");
    store::NewImageText text;
    text.message = call.flags.is_set("message") ? call.flags.text("message") : "Imported from " + source;
    text.changes = call.flags.list("change");
    if (call.args.size() > 1) {
        spec::Reference name = spec::Reference::parse(call.args[1]);
        if (name.digest()) throw Error(ErrorKind::invalid_argument, "cannot import digest reference");
        text.names = {name.with_default_tag()};
    }
    spec::Platform platform = call.flags.is_set("platform")
                                  ? spec::Platform::parse(call.flags.text("platform"))
                                  : spec::Platform::host();

    SignalWatch watch;
    UniqueFd file;
    if (source != "-") file = sys::open_file(source, O_RDONLY);
    store::Store store = open_store(call);
    InterruptibleSource from(file ? file.get() : STDIN_FILENO, source == "-" ? "standard input" : source,
                             watch);
    store::Image image =
        with_context("importing " + source, [&] { return store::import_image(store, from, platform, text); });
    print_out(image.id.text() + '\n');
    return 0;
}

}  // namespace

constexpr Command kStoreImportCommand{
    .name = "import",
    .summary = "Import the contents from a tarball to create a filesystem image",
    .arguments = "[OPTIONS] file|- [REPOSITORY[:TAG]]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 2,
    .run = run,
};

}  // namespace berth::app

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "cli/format/format_flag.h"
#include "commands.h"
#include "interruptible.h"
#include "store/archive.h"
#include "store_flags.h"
#include "sys/file.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    Flag{.name = "input", .shorthand = 'i', .usage = "Read from tar archive file, instead of STDIN"},
    Flag{.name = "platform", .usage = "Load only the given platform of an image that has several"},
    cli::quiet_flag("Suppress the load output"),
};

void print_loaded(const std::vector<store::Loaded>& loaded) {
    for (const store::Loaded& image : loaded) {
        for (const auto& [name, old] : image.moved)
            print_out(
                fmt::format("The image {} already exists, renaming the old one with ID {} to empty string\n",
                            name.familiar(), old.text()));
        for (const spec::Reference& name : image.names)
            print_out(fmt::format("Loaded image: {}\n", name.familiar()));
        if (image.names.empty()) print_out(fmt::format("Loaded image ID: {}\n", image.image.text()));
    }
}

int run(Invocation& call) {
    SignalWatch watch;
    UniqueFd file;
    store::LoadOptions options;
    if (call.flags.is_set("input") && call.flags.text("input") != "-") {
        options.archive = call.flags.text("input");
        file = sys::open_file(options.archive, O_RDONLY);
    } else {
        if (isatty(STDIN_FILENO))
            throw Error(ErrorKind::invalid_argument, "requested load from stdin, but stdin is empty");
        options.archive = "the archive on standard input";
    }
    if (call.flags.is_set("platform")) options.platform = spec::Platform::parse(call.flags.text("platform"));
    options.progress = [&watch](const Digest&, uint64_t) { watch.check(); };
    store::Store store = open_store(call);
    InterruptibleSource from(file ? file.get() : STDIN_FILENO, options.archive, watch);
    print_loaded(store::load_archive(store, from, options));
    return 0;
}

}  // namespace

constexpr Command kStoreLoadCommand{
    .name = "load",
    .summary = "Load an image from a tar archive or STDIN",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::app

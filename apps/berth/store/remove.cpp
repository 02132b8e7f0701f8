// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "cli/image/image_flags.h"
#include "commands.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    cli::kForceRemovalFlag,
    cli::kNoPruneFlag,
};

int run(Invocation& call) {
    store::RemoveOptions options{.force = call.flags.boolean("force"),
                                 .prune_parents = !call.flags.boolean("no-prune"),
                                 .used_by = {}};
    store::Store store = open_store(call);
    int status = 0;
    for (const std::string& text : call.args) {
        try {
            print_out(removed_text(store.remove(text, options)));
        } catch (const Error& error) {
            // As rm(1): the others go all the same. What is gone already is no failure where it was forced.
            print_error(fmt::format("{}\n", error.what()));
            if (!options.force || error.kind() != ErrorKind::not_found) status = 1;
        }
    }
    return status;
}

constexpr std::array<std::string_view, 2> kAliases{"store rm", "store remove"};

}  // namespace

constexpr Command kStoreRemoveCommand{
    .name = "rm",
    .summary = "Remove one or more images",
    .arguments = "[OPTIONS] IMAGE [IMAGE...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::app

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "cli/prune/prune.h"
#include "commands.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array kFlags{
    cli::prune_all_flag("Remove all unused images, not just dangling ones"),
    Flag{.name = "filter",
         .kind = Flag::Kind::list,
         .usage = "Provide filter values (e.g. \"until=<timestamp>\")",
         .type = "filter"},
    cli::kPruneForceFlag,
};

/// As docker: anything but y is no.
bool confirm(std::string_view warning) {
    print_out(fmt::format("{}\nAre you sure you want to continue? [y/N] ", warning));
    char answer = 0;
    bool is_yes = false;
    for (bool first = true; read(STDIN_FILENO, &answer, 1) == 1 && answer != '\n'; first = false)
        if (first) is_yes = answer == 'y' || answer == 'Y';
    return is_yes;
}

int run(Invocation& call) {
    bool all = call.flags.boolean("all");
    store::ListFilters filters = parse_filters(call.flags.list("filter"));
    if (!call.flags.boolean("force") &&
        !confirm(
            all ? "WARNING! This will remove all images without at least one snapshot associated to them."
                : "WARNING! This will remove all dangling images."))
        return 1;
    store::Store store = open_store(call);
    store::PruneResult result = store.prune(filters, !all, {});
    if (!result.removed.empty()) print_out("Deleted Images:\n" + removed_text(result.removed) + '\n');
    print_out(cli::reclaimed_text(result.reclaimed_bytes));
    return 0;
}

}  // namespace

constexpr Command kStorePruneCommand{
    .name = "prune",
    .summary = "Remove unused images",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::app

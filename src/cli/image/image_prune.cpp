// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "cli/commands.h"
#include "cli/prune/prune.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    prune_all_flag("Remove all unused images, not just dangling ones"),
    kPruneFilterFlag,
    kPruneForceFlag,
};

int run(Invocation& call) {
    bool all = call.flags.boolean("all");
    std::vector<std::string> filters = call.flags.list("filter");
    filters.emplace_back(all ? "dangling=false" : "dangling=true");
    std::string_view warning = all ? "WARNING! This will remove all images without at least one container "
                                     "associated to them.\n"
                                   : "WARNING! This will remove all dangling images.\n";
    auto text = [](const json::Value& report) {
        std::string deleted = deleted_images_text(report);
        return deleted + reclaimed_text(deleted.empty() ? 0 : client::number_at(report, "SpaceReclaimed"));
    };
    filters = prune_filters(call.session, std::move(filters));
    return prune(call, warning, "/images/prune", filters, text);
}

}  // namespace

constexpr Command kImagePruneCommand{
    .name = "prune",
    .summary = "Remove unused images",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::cli

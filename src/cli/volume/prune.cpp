// SPDX-License-Identifier: Apache-2.0
#include "cli/prune/prune.h"

#include <algorithm>

#include "cli/volume/volume.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    prune_all_flag("Remove all unused volumes, not just anonymous ones"),
    prune_filter_flag("Provide filter values (e.g. \"label=<label>\")"),
    kPruneForceFlag,
};

constexpr std::string_view kAnonymous =
    "WARNING! This will remove anonymous local volumes not used by at least one container.\n";
constexpr std::string_view kAll =
    "WARNING! This will remove all local volumes not used by at least one container.\n";

int run(Invocation& invocation) {
    std::vector<std::string> filters = prune_filters(invocation.session, invocation.flags.list("filter"));
    bool is_all = invocation.flags.boolean("all");
    if (is_all) {
        if (std::any_of(filters.begin(), filters.end(),
                        [](std::string_view filter) { return filter.starts_with("all="); }))
            throw Error(ErrorKind::invalid_argument,
                        "conflicting options: cannot specify both --all and --filter all=1");
        filters.emplace_back("all=true");
    }
    auto text = [](const json::Value& report) {
        return deleted_text("Deleted Volumes:", report, "VolumesDeleted") +
               reclaimed_text(client::number_at(report, "SpaceReclaimed"));
    };
    return prune(invocation, is_all ? kAll : kAnonymous, "/volumes/prune", filters, text);
}

}  // namespace

constinit const Command kVolumePruneCommand = {
    .name = "prune",
    .summary = "Remove unused local volumes",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::cli

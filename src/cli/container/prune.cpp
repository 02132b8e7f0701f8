// SPDX-License-Identifier: Apache-2.0
#include "cli/prune/prune.h"

#include "cli/commands.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kPruneFilterFlag,
    kPruneForceFlag,
};

constexpr std::string_view kWarning = "WARNING! This will remove all stopped containers.\n";

int run(Invocation& invocation) {
    auto text = [](const json::Value& report) {
        std::string deleted = deleted_text("Deleted Containers:", report, "ContainersDeleted");
        return deleted + reclaimed_text(deleted.empty() ? 0 : client::number_at(report, "SpaceReclaimed"));
    };
    std::vector<std::string> filters = prune_filters(invocation.session, invocation.flags.list("filter"));
    return prune(invocation, kWarning, "/containers/prune", filters, text);
}

}  // namespace

constinit const Command kContainerPruneCommand = {
    .name = "prune",
    .summary = "Remove all stopped containers",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::cli

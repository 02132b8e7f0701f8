// SPDX-License-Identifier: Apache-2.0
#include "cli/prune/prune.h"

#include "cli/network/network.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    kPruneFilterFlag,
    kPruneForceFlag,
};

constexpr std::string_view kWarning =
    "WARNING! This will remove all custom networks not used by at least one container.\n";

int run(Invocation& invocation) {
    auto text = [](const json::Value& report) {
        return deleted_text("Deleted Networks:", report, "NetworksDeleted");
    };
    std::vector<std::string> filters = prune_filters(invocation.session, invocation.flags.list("filter"));
    return prune(invocation, kWarning, "/networks/prune", filters, text);
}

}  // namespace

constinit const Command kNetworkPruneCommand = {
    .name = "prune",
    .summary = "Remove all unused networks",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

}  // namespace berth::cli

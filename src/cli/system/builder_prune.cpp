// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/prune/prune.h"
#include "cli/system/system.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    prune_all_flag("Remove all unused build cache, not just dangling ones"),
    prune_filter_flag("Provide filter values (e.g. \"until=24h\")"),
    kPruneForceFlag,
    {.name = "keep-storage", .kind = Flag::Kind::bytes, .usage = "Amount of disk space to keep for cache"},
};

constexpr std::string_view kDangling = "WARNING! This will remove all dangling build cache. ";
constexpr std::string_view kAll = "WARNING! This will remove all build cache. ";

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    std::vector<std::string> filters = prune_filters(invocation.session, flags.list("filter"));
    bool is_all = flags.boolean("all");
    client::Query query;
    if (is_all) query.emplace_back("all", "1");
    if (int64_t keep = flags.bytes("keep-storage").value_or(0); keep != 0)
        query.emplace_back("keep-storage", std::to_string(keep));
    auto text = [](const json::Value& report) {
        return deleted_text("Deleted build cache objects:", report, "CachesDeleted") +
               reclaimed_text(client::number_at(report, "SpaceReclaimed"));
    };
    return prune(invocation, is_all ? kAll : kDangling, "/build/prune", filters, text, std::move(query));
}

constexpr const Command* kChildren[] = {&kBuildCommand, &kBuilderPruneCommand};

}  // namespace

constinit const Command kBuilderPruneCommand = {
    .name = "prune",
    .summary = "Remove build cache",
    .flags = kFlags,
    .run = run,
};

constinit const Command kBuilderCommand = {
    .name = "builder",
    .summary = "Manage builds",
    .children = kChildren,
    .section = "Management Commands",
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/prune/prune.h"

#include <algorithm>

#include "cli/format/natural_order.h"
#include "cli/output.h"
#include "cli/system/prune_question.h"
#include "cli/system/system.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    prune_all_flag("Remove all unused images not just dangling ones"),
    prune_filter_flag("Provide filter values (e.g. \"label=<key>=<value>\")"),
    kPruneForceFlag,
    {.name = "volumes", .kind = Flag::Kind::boolean, .usage = "Prune anonymous volumes"},
};

/// One kind after the other, each told as soon as it is gone; the bytes that are free now.
int64_t prune_all(Session& session, const std::vector<std::string>& filters, bool is_all, bool with_volumes) {
    int64_t space = 0;
    auto prune = [&](const char* path, const std::vector<std::string>& with, const char* heading,
                     const char* key, client::Query query = {}) {
        json::Value report = send_prune(session, path, with, std::move(query));
        space += client::number_at(report, "SpaceReclaimed");
        print_out(key ? deleted_text(heading, report, key) : deleted_images_text(report));
    };
    prune("/containers/prune", filters, "Deleted Containers:", "ContainersDeleted");
    prune("/networks/prune", filters, "Deleted Networks:", "NetworksDeleted");
    if (with_volumes) prune("/volumes/prune", filters, "Deleted Volumes:", "VolumesDeleted");
    std::vector<std::string> of_images = filters;
    of_images.emplace_back(is_all ? "dangling=false" : "dangling=true");
    prune("/images/prune", of_images, "", nullptr);
    client::Query query;
    if (is_all) query.emplace_back("all", "1");
    prune("/build/prune", filters, "Deleted build cache objects:", "CachesDeleted", std::move(query));
    return space;
}

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    bool is_all = flags.boolean("all"), with_volumes = flags.boolean("volumes");
    std::vector<std::string> given = flags.list("filter");
    if (with_volumes &&
        std::ranges::any_of(given, [](std::string_view filter) { return filter.starts_with("until="); }))
        throw Error(ErrorKind::invalid_argument,
                    "ERROR: The \"until\" filter is not supported with \"--volumes\"");
    std::vector<std::string> filters = prune_filters(invocation.session, given);
    if (!flags.boolean("force") && !confirm(prune_question(filters, is_all, with_volumes))) return 0;
    print_out(reclaimed_text(prune_all(invocation.session, filters, is_all, with_volumes)));
    return 0;
}

}  // namespace

constinit const Command kSystemPruneCommand = {
    .name = "prune",
    .summary = "Remove unused data",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
};

std::string prune_question(std::vector<std::string> filters, bool is_all, bool with_volumes) {
    std::string text =
        "WARNING! This will remove:\n  - all stopped containers\n"
        "  - all networks not used by at least one container\n";
    if (with_volumes) text += "  - all anonymous volumes not used by at least one container\n";
    text += is_all ? "  - all images without at least one container associated to them\n  - all build cache\n"
                   : "  - all dangling images\n  - unused build cache\n";
    if (!filters.empty()) {
        text += "\n  Items to be pruned will be filtered with:\n";
        std::ranges::sort(filters, natural_less);
        for (const std::string& filter : filters) text += "  - " + filter + '\n';
    }
    return text + '\n' + std::string(kSurely);
}

}  // namespace berth::cli

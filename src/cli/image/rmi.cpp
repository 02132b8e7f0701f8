// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "cli/commands.h"
#include "cli/image/image_flags.h"
#include "cli/image/platform_query.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kForceRemovalFlag,
    kNoPruneFlag,
    Flag{.name = "platform",
         .kind = Flag::Kind::strings,
         .usage = "Remove only the given platform variant. Formatted as \"os[/arch[/variant]]\" (e.g., "
                  "\"linux/amd64\")"},
};

std::string removed_text(const json::Value& items) {
    std::string text;
    for (const json::Value& item : client::items_of(items)) {
        std::string deleted = client::text_at(item, "Deleted");
        text += deleted.empty() ? "Untagged: " + client::text_at(item, "Untagged") : "Deleted: " + deleted;
        text += '\n';
    }
    return text;
}

int run(Invocation& call) {
    client::Query query;
    if (call.flags.boolean("force")) query.emplace_back("force", "1");
    if (call.flags.boolean("no-prune")) query.emplace_back("noprune", "1");
    for (const std::string& platform : call.flags.list("platform"))
        query.emplace_back("platforms", platform_query(platform));

    std::string problems;
    bool is_fatal = !call.flags.boolean("force");
    for (const std::string& image : call.args) {
        try {
            print_out(removed_text(call.session.call(
                {.method = "DELETE", .path = "/images/" + client::path_name(image), .query = query})));
        } catch (const Error& error) {
            is_fatal = is_fatal || error.kind() != ErrorKind::not_found;
            problems += (problems.empty() ? "" : "\n") + std::string(error.what());
        }
    }
    if (problems.empty()) return 0;
    if (is_fatal) throw Error(ErrorKind::internal, problems);
    print_error(problems + '\n');
    return 0;
}

constexpr std::array<std::string_view, 3> kAliases{"image rm", "image remove", "rmi"};

}  // namespace

constexpr Command kRmiCommand{
    .name = "rmi",
    .summary = "Remove one or more images",
    .arguments = "[OPTIONS] IMAGE [IMAGE...]",
    .flags = kFlags,
    .min_args = 1,
    .max_args = kAnyNumber,
    .run = run,
    .aliases = kAliases,
    .words = Words::images,
};

}  // namespace berth::cli

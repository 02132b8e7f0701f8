// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/stamp.h"
#include "cli/format/units.h"
#include "cli/image/image_flags.h"
#include "cli/image/platform_query.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {

namespace {

constexpr std::array kFlags{
    kFormatFlag,
    kHumanFlag,
    kNoTruncFlag,
    Flag{.name = "platform",
         .usage = "Show history for the given platform. Formatted as \"os[/arch[/variant]]\" (e.g., "
                  "\"linux/amd64\")"},
    quiet_flag("Only show image IDs"),
};

constexpr std::array kColumns{
    Column{"ID", "IMAGE"},  Column{"CreatedSince", "CREATED"}, Column{"CreatedAt", "CREATED AT"},
    Column{"Size", "SIZE"}, Column{"CreatedBy", "CREATED BY"}, Column{"Comment", "COMMENT"},
};

constexpr std::string_view kTable =
    "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
constexpr std::string_view kExactTable =
    "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

Row row_of(const json::Value& item, bool human, bool truncate) {
    // Images that are built to be reproducible have dates long ago, which tell nothing.
    constexpr int64_t kEpoch = 946'684'800;
    int64_t created = client::number_at(item, "Created"), size = client::number_at(item, "Size");
    std::string id = client::text_at(item, "Id"), by = client::text_at(item, "CreatedBy");
    std::ranges::replace(by, '\t', ' ');
    std::string since = !human ? local_rfc3339(created) : created <= kEpoch ? "N/A" : human_ago(created);
    Row row;
    row.emplace_back("ID", truncate ? short_id(id) : id);
    row.emplace_back("CreatedSince", since);
    row.emplace_back("CreatedAt", local_rfc3339(created));
    row.emplace_back("CreatedBy", truncate ? ellipsis(by, 45) : by);
    row.emplace_back("Size", human ? human_size(static_cast<double>(size), 3) : fmt::to_string(size));
    row.emplace_back("Comment", client::text_at(item, "Comment"));
    return row;
}

int run(Invocation& call) {
    bool human = call.flags.boolean("human"), truncate = !call.flags.boolean("no-trunc");
    client::Request request{.path = "/images/" + client::path_name(call.args[0]) + "/history"};
    if (std::string platform = call.flags.text("platform"); !platform.empty())
        request.query.emplace_back("platform", checked_platform_query(platform));
    json::Value history = call.session.call(std::move(request));

    std::string format = call.flags.text("format");
    if (format.empty() || format == "table")
        format = call.flags.boolean("quiet") ? "{{.ID}}" : human ? kTable : kExactTable;
    Listing listing(format, kColumns, kTable, "*image.historyContext");
    for (const json::Value& item : client::items_of(history)) listing.add(row_of(item, human, truncate));
    print_out(listing.text());
    return 0;
}

constexpr std::array<std::string_view, 2> kAliases{"image history", "history"};

}  // namespace

constexpr Command kHistoryCommand{
    .name = "history",
    .summary = "Show the history of an image",
    .arguments = "[OPTIONS] IMAGE",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .aliases = kAliases,
    .words = Words::images,
};

}  // namespace berth::cli

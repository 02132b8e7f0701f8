// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/container/container_row.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/engine.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {"all", 'a', Flag::Kind::boolean, "Show all containers (default shows just running)"},
    kFilterFlag,
    kFormatFlag,
    {.name = "last",
     .shorthand = 'n',
     .kind = Flag::Kind::number,
     .usage = "Show n last created containers (includes all states)",
     .default_text = "-1"},
    {"latest", 'l', Flag::Kind::boolean, "Show the latest created container (includes all states)"},
    kNoTruncFlag,
    quiet_flag("Only display container IDs"),
    {"size", 's', Flag::Kind::boolean, "Display total file sizes"},
};

constexpr std::string_view kTable =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
constexpr std::string_view kRaw =
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\n"
    "state: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\n"
    "labels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

/// Whether the format asks for .Size, which costs the daemon time. Run on a container without anything, as
/// docker does it, which finds mistakes also where there are no containers.
bool asks_for_size(const std::string& format) {
    auto parsed = with_context("failed to parse template", [&] { return tmpl::Template::parse(format); });
    bool is_asked = false;
    json::Value nothing = json::Object();
    tmpl::Value row = tmpl::Value::object(container_row(nothing, false, &is_asked), kContainerRowType);
    with_context("failed to execute template", [&] { return parsed.run(row); });
    return is_asked;
}

std::string listing_format(const std::string& asked, bool is_quiet, bool has_size) {
    bool is_raw = asked == "raw";
    if (is_quiet) return is_raw ? "container_id: {{.ID}}" : "{{.ID}}";
    if (is_raw) return std::string(kRaw).append(has_size ? "size: {{.Size}}\\n" : "");
    if (asked.empty() || asked == "table") return std::string(kTable).append(has_size ? "\t{{.Size}}" : "");
    return asked;
}

client::Request list_request(const Flags& flags, bool has_size) {
    client::Request request;
    request.path = "/containers/json";
    if (flags.boolean("all")) request.query.emplace_back("all", "1");
    int64_t limit = flags.number("last").value_or(-1);
    if (limit == -1 && flags.boolean("latest")) limit = 1;
    if (limit > 0) request.query.emplace_back("limit", fmt::to_string(limit));
    if (has_size) request.query.emplace_back("size", "1");
    if (auto filters = flags.list("filter"); !filters.empty())
        request.query.emplace_back("filters", client::filters_json(filters));
    return request;
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    const Flags& flags = invocation.flags;
    bool is_quiet = flags.boolean("quiet");
    bool truncate = !flags.boolean("no-trunc");
    std::string format = flags.text("format");
    if (format.empty())
        format = session.config().text("psFormat").value_or("");
    else if (is_quiet)
        print_error("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");

    bool has_size = flags.boolean("size");
    if (!format.empty() && asks_for_size(format) && !is_quiet && !flags.is_set("size")) has_size = true;
    json::Value containers = session.call(list_request(flags, has_size));

    Listing listing(listing_format(format, is_quiet, has_size), container_columns(), kTable,
                    kContainerRowType);
    for (const json::Value& container : client::items_of(containers))
        listing.add(container_row(container, truncate));
    print_out(listing.text());
    return 0;
}

constexpr std::string_view kAliases[] = {"container ls", "container list", "container ps", "ps"};

}  // namespace

constinit const Command kPsCommand = {
    .name = "ps",
    .summary = "List containers",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

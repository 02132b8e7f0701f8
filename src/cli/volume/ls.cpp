// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/format/format_flag.h"
#include "cli/format/natural_order.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/volume/volume.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    {.name = "cluster",
     .kind = Flag::Kind::boolean,
     .usage = "Display only cluster volumes, and use cluster volume list formatting",
     .hidden = true},
    filter_flag("Provide filter values (e.g. \"dangling=true\")"),
    kFormatFlag,
    quiet_flag("Only display volume names"),
};

std::string format_of(Session& session, const Flags& flags) {
    constexpr const char* kClusterTable =
        "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}";
    bool is_quiet = flags.boolean("quiet");
    // Of cluster volumes docker has one form only, whatever --format says.
    if (flags.boolean("cluster")) return is_quiet ? "{{.Name}}" : kClusterTable;
    std::string format = flags.text("format");
    if (format.empty() && !is_quiet) format = session.config().text("volumesFormat").value_or("");
    if (format.empty() || format == "table") return is_quiet ? "{{.Name}}" : "table";
    if (format == "raw") return is_quiet ? "name: {{.Name}}" : "name: {{.Name}}\ndriver: {{.Driver}}\n";
    return format;
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    client::Request request;
    request.path = "/volumes";
    if (auto filters = invocation.flags.list("filter"); !filters.empty())
        request.query.emplace_back("filters", client::filters_json(filters));
    json::Value answer = session.call(std::move(request));

    std::vector<const json::Value*> volumes;
    for (const json::Value& volume : client::list_at(answer, "Volumes")) {
        const json::Value* cluster = client::find_at(volume, "ClusterVolume");
        if (!invocation.flags.boolean("cluster") || (cluster && cluster->is_object()))
            volumes.push_back(&volume);
    }
    std::ranges::sort(volumes, natural_less,
                      [](const json::Value* volume) { return client::text_at(*volume, "Name"); });
    Listing listing(format_of(session, invocation.flags), volume_columns(), "table {{.Driver}}\t{{.Name}}",
                    "*formatter.volumeContext");
    for (const json::Value* volume : volumes) listing.add(volume_row(*volume));
    print_out(listing.text());
    return 0;
}

constexpr std::string_view kAliases[] = {"volume ls", "volume list"};

}  // namespace

constinit const Command kVolumeLsCommand = {
    .name = "ls",
    .summary = "List volumes",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cli/format/format_flag.h"
#include "cli/format/labels.h"
#include "cli/format/listing.h"
#include "cli/format/natural_order.h"
#include "cli/format/stamp.h"
#include "cli/format/units.h"
#include "cli/network/network.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

constexpr Flag kFlags[] = {
    filter_flag("Provide filter values (e.g. \"driver=bridge\")"),
    kFormatFlag,
    {.name = "no-trunc", .kind = Flag::Kind::boolean, .usage = "Do not truncate the output"},
    quiet_flag("Only display network IDs"),
};

constexpr Column kColumns[] = {
    {"ID", "NETWORK ID"},     {"Name", "NAME"},     {"Driver", "DRIVER"},
    {"Scope", "SCOPE"},       {"IPv4", "IPV4"},     {"IPv6", "IPV6"},
    {"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"},
};

std::string format_of(Session& session, const Flags& flags) {
    bool is_quiet = flags.boolean("quiet");
    std::string format = flags.text("format");
    if (format.empty() && !is_quiet) format = session.config().text("networksFormat").value_or("");
    if (format.empty() || format == "table") return is_quiet ? "{{.ID}}" : "table";
    if (format == "raw")
        return is_quiet ? "network_id: {{.ID}}"
                        : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
    return format;
}

const char* flag_text(const json::Value& network, std::string_view key) {
    return client::flag_at(network, key) ? "true" : "false";
}

Row row(const json::Value& network, bool is_whole) {
    std::string id = client::text_at(network, "Id");
    const json::Value* labels = client::find_at(network, "Labels");
    return {
        {"ID", is_whole ? id : short_id(id)},
        {"Name", client::text_at(network, "Name")},
        {"Driver", client::text_at(network, "Driver")},
        {"Scope", client::text_at(network, "Scope")},
        {"IPv4", flag_text(network, "EnableIPv4")},
        {"IPv6", flag_text(network, "EnableIPv6")},
        {"Internal", flag_text(network, "Internal")},
        {"Labels", labels_text(labels)},
        {"Label", label_function(labels)},
        {"CreatedAt", stamp_text(client::text_at(network, "Created"))},
    };
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    client::Request request;
    request.path = "/networks";
    if (auto filters = invocation.flags.list("filter"); !filters.empty())
        request.query.emplace_back("filters", client::filters_json(filters));
    json::Value answer = session.call(std::move(request));

    std::vector<const json::Value*> networks;
    for (const json::Value& network : client::items_of(answer)) networks.push_back(&network);
    std::ranges::sort(networks, natural_less,
                      [](const json::Value* network) { return client::text_at(*network, "Name"); });
    Listing listing(format_of(session, invocation.flags), kColumns,
                    "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", "*network.networkContext");
    for (const json::Value* network : networks)
        listing.add(row(*network, invocation.flags.boolean("no-trunc")));
    print_out(listing.text());
    return 0;
}

constexpr std::string_view kAliases[] = {"network ls", "network list"};

}  // namespace

constinit const Command kNetworkLsCommand = {
    .name = "ls",
    .summary = "List networks",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

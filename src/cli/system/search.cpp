// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/units.h"
#include "cli/output.h"
#include "cli/session.h"
#include "client/json_path.h"

namespace berth::cli {
namespace {

constexpr size_t kDescriptionWidth = 45;

constexpr Column kColumns[] = {
    {"Name", "NAME"},
    {"Description", "DESCRIPTION"},
    {"StarCount", "STARS"},
    {"IsOfficial", "OFFICIAL"},
};
constexpr std::string_view kTable = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    return text;
}

Row row(const json::Value& found, bool whole, bool is_json) {
    std::string description = one_line(client::text_at(found, "description"));
    if (!whole) description = ellipsis(description, kDescriptionWidth);
    bool is_official = client::flag_at(found, "is_official");
    std::string official = is_json ? (is_official ? "true" : "false") : (is_official ? "[OK]" : "");
    return {{"Name", client::text_at(found, "name")},
            {"Description", description},
            {"StarCount", std::to_string(client::number_at(found, "star_count"))},
            {"IsOfficial", official}};
}

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    Session& session = invocation.session;
    const std::string& term = invocation.args[0];
    client::Request request;
    request.path = "/images/search";
    request.query.emplace_back("term", term);
    if (int64_t limit = flags.number("limit").value_or(0); limit > 0)
        request.query.emplace_back("limit", std::to_string(limit));
    if (std::string filters = client::filters_json(flags.list("filter")); !filters.empty())
        request.query.emplace_back("filters", filters);
    size_t slash = term.find('/');
    std::string first = term.substr(0, slash);
    bool names_host = slash != std::string::npos &&
                      (first.find_first_of(".:") != std::string::npos || first == "localhost");
    request.headers.emplace_back("X-Registry-Auth",
                                 client::registry_auth(session.config(), names_host ? term : "docker.io"));
    json::Value found = session.call(std::move(request));
    std::string format = flags.text("format");
    bool is_json = format == "json" || format.find("json .") != std::string::npos;
    Listing listing(format, kColumns, kTable, "*registry.searchContext");
    for (const json::Value& each : client::items_of(found))
        listing.add(row(each, flags.boolean("no-trunc"), is_json));
    print_out(listing.text());
    return 0;
}

constexpr Flag kFlags[] = {
    kFilterFlag,
    {.name = "format", .usage = "Pretty-print search using a Go template"},
    {.name = "limit", .kind = Flag::Kind::number, .usage = "Max number of search results"},
    kNoTruncFlag,
};

}  // namespace

constinit const Command kSearchCommand = {
    .name = "search",
    .summary = "Search Docker Hub for images",
    .arguments = "[OPTIONS] TERM",
    .flags = kFlags,
    .min_args = 1,
    .max_args = 1,
    .run = run,
    .section = "Common Commands",
};

}  // namespace berth::cli

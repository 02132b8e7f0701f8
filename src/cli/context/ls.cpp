// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>

#include "cli/context/context.h"
#include "cli/format/format_flag.h"
#include "cli/format/listing.h"
#include "cli/format/natural_order.h"
#include "cli/format/units.h"
#include "cli/output.h"

namespace berth::cli {
namespace {

constexpr size_t kErrorWidth = 45;

constexpr Column kColumns[] = {
    {"Name", "NAME"},
    {"Description", "DESCRIPTION"},
    {"DockerEndpoint", "DOCKER ENDPOINT"},
    {"Error", "ERROR"},
};
constexpr std::string_view kTable =
    "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";

struct Line {
    std::string name, description, host, error;
};

std::vector<Line> all_lines(Session& session, const std::string& current) {
    client::ContextStore store = context_store(session);
    std::vector<Line> lines;
    bool has_current = current == client::kDefaultContext;
    for (const auto& context : store.list()) {
        lines.push_back({context.name, context.description(), context.host(), {}});
        has_current = has_current || context.name == current;
    }
    Line own{std::string(client::kDefaultContext), std::string(kDefaultDescription), {}, {}};
    try {
        own.host = client::text_at(default_context(session).context.endpoints["docker"], "Host");
    } catch (const Error& error) {
        own.error = error.what();
    }
    lines.push_back(std::move(own));
    if (!has_current) {
        try {
            store.get(current);
        } catch (const Error& error) {
            lines.push_back({current, {}, {}, error.what()});
        }
    }
    std::ranges::sort(lines, natural_less, &Line::name);
    return lines;
}

int run(Invocation& invocation) {
    Session& session = invocation.session;
    const Flags& flags = invocation.flags;
    std::string format = flags.text("format");
    if (flags.boolean("quiet")) format = "{{.Name}}";
    Listing listing(format, kColumns, kTable, "*formatter.clientContextContext");
    std::string current = current_context(session);
    for (const Line& line : all_lines(session, current))
        listing.add({{"Name", line.name},
                     {"Description", line.description},
                     {"DockerEndpoint", line.host},
                     {"Error", ellipsis(line.error, kErrorWidth)},
                     {"Current", line.name == current}});
    print_out(listing.text());
    if (const char* host = std::getenv("DOCKER_HOST"); host != nullptr && *host != '\0')
        print_error(
            "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, "
            "either set the "
            "global --context flag, or unset DOCKER_HOST environment variable.\n");
    return 0;
}

constexpr Flag kFlags[] = {
    kFormatFlag,
    quiet_flag("Only show context names"),
};
constexpr std::string_view kAliases[] = {"context ls", "context list"};

}  // namespace

constinit const Command kContextLsCommand = {
    .name = "ls",
    .summary = "List contexts",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

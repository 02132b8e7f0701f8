// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <map>

#include "cli/commands.h"
#include "cli/format/api_time.h"
#include "cli/format/format_flag.h"
#include "cli/format/stamp.h"
#include "cli/format/typed.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/template/template.h"
#include "cli/terminal/local_file.h"

namespace berth::cli {
namespace {

constexpr int kBadFormat = 64;
constexpr int64_t kSecond = 1'000'000'000;

[[noreturn]] void refuse_format(const Error& error) {
    throw ExitStatus{kBadFormat, std::string("Error parsing format: ") + error.what()};
}

/// "2006-01-02T15:04:05.000000000+01:00" in the local zone, "Z" where that is UTC.
std::string time_text(const json::Value& event) {
    int64_t nanoseconds = client::number_at(event, "timeNano");
    int64_t seconds = client::number_at(event, "time");
    if (nanoseconds != 0) {
        seconds = nanoseconds / kSecond;
        nanoseconds %= kSecond;
    } else if (seconds == 0) {
        return {};
    }
    return local_rfc3339(seconds, fmt::format(".{:09}", nanoseconds)) + ' ';
}

std::string plain_text(const json::Value& event) {
    std::string text = time_text(event);
    text += fmt::format("{} {} {}", client::text_at(event, "Type"), client::text_at(event, "Action"),
                        client::text_at(event, "Actor.ID"));
    const json::Value* attributes = client::find_at(event, "Actor.Attributes");
    std::map<std::string, std::string> sorted;
    if (attributes != nullptr && attributes->is_object())
        for (const auto& member : attributes->get_object())
            if (member.value().is_string()) sorted.emplace(member.key(), member.value().get_string());
    std::string list;
    for (const auto& [name, value] : sorted)
        list += fmt::format("{}{}={}", list.empty() ? "" : ", ", name, value);
    if (!list.empty()) text += fmt::format(" ({})", list);
    return text + '\n';
}

async::Task<void> follow(Session& session, client::Request request, const tmpl::Template* form) {
    auto sending = session.engine().send(std::move(request));
    std::unique_ptr<client::Response> events = co_await std::move(sending);
    // A reader that is stuck does not keep signals from us.
    LocalFile out(session.loop(), STDOUT_FILENO);
    while (true) {
        auto reading = events->next_json();
        std::optional<json::Value> event = co_await std::move(reading);
        if (!event) co_return;
        std::string text;
        try {
            text = form == nullptr ? plain_text(*event) : form->run(typed(*event, "*events.Message")) + '\n';
        } catch (const Error& error) {
            refuse_format(error);
        }
        if (session.is_stdout_terminal()) text = printable(text);
        auto writing = out.write(text);
        co_await std::move(writing);
    }
}

int run(Invocation& invocation) {
    const Flags& flags = invocation.flags;
    std::string format = flags.text("format");
    std::optional<tmpl::Template> form;
    try {
        if (!format.empty()) form = tmpl::Template::parse(format == "json" ? "{{json .}}" : format);
    } catch (const Error& error) {
        refuse_format(error);
    }
    client::Request request;
    request.path = "/events";
    for (const char* name : {"since", "until"})
        if (std::string value = flags.text(name); !value.empty())
            request.query.emplace_back(name, api_time(value));
    if (std::string filters = client::filters_json(flags.list("filter")); !filters.empty())
        request.query.emplace_back("filters", filters);
    Session& session = invocation.session;
    session.run(follow(session, std::move(request), form ? &*form : nullptr));
    return 0;
}

constexpr Flag kFlags[] = {
    kFilterFlag,
    {.name = "format", .usage = kInspectFormatFlag.usage},
    {.name = "since", .usage = "Show all events created since timestamp"},
    {.name = "until", .usage = "Stream events until this timestamp"},
};
constexpr std::string_view kAliases[] = {"system events", "events"};

}  // namespace

constinit const Command kEventsCommand = {
    .name = "events",
    .summary = "Get real time events from the server",
    .arguments = "[OPTIONS]",
    .flags = kFlags,
    .run = run,
    .aliases = kAliases,
};

}  // namespace berth::cli

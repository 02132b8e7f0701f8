// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/flag_values.h"
#include "cli/session.h"

/// What `docker X prune` commands share.
namespace berth::cli {

/// Asks `question` with " [y/N] " after it on stdout; true where the next line of stdin is "y" in either
/// case. The end of stdin, SIGINT and SIGTERM are a no: the command then ends with status 0 and does nothing,
/// as docker has it.
bool confirm(std::string_view question);

/// The second line of the questions of docker's prune commands.
inline constexpr std::string_view kSurely = "Are you sure you want to continue?";

inline constexpr Flag kPruneForceFlag = {"force", 'f', Flag::Kind::boolean, "Do not prompt for confirmation"};
/// In help each command has its own words for these two.
constexpr Flag prune_all_flag(std::string_view usage) {
    return {"all", 'a', Flag::Kind::boolean, usage};
}
constexpr Flag prune_filter_flag(std::string_view usage) {
    return {
        .name = "filter", .kind = Flag::Kind::list, .usage = usage, .type = "filter", .check = check_filter};
}
inline constexpr Flag kPruneFilterFlag =
    prune_filter_flag("Provide filter values (e.g. \"until=<timestamp>\")");

/// `given` ("label=x", "until=1h") and after it the "pruneFilters" of config.json, but for labels that
/// contradict a given one: what filters_json() takes. Docker 28 forgets labels of config.json where no label
/// of the other kind (label, label!) is given, against its own words; here what is to be kept is kept.
std::vector<std::string> prune_filters(std::vector<std::string> given, const std::vector<std::string>& kept);
std::vector<std::string> prune_filters(Session& session, std::vector<std::string> given);

/// POST `path` ("/networks/prune") with filters where there are any; what the daemon says it deleted.
json::Value send_prune(Session& session, std::string path, const std::vector<std::string>& filters,
                       client::Query query = {});

/// The command that does so, where --force is given or people say yes to `warning` and kSurely, and prints
/// `text` of the daemon's report.
int prune(Invocation& call, std::string_view warning, std::string path,
          const std::vector<std::string>& filters, std::string (*text)(const json::Value& report),
          client::Query query = {});

/// "Deleted Networks:" with a line for each text of the list at `key` and an empty one; "" where there are
/// none.
std::string deleted_text(std::string_view heading, const json::Value& report, std::string_view key);
/// The same of "ImagesDeleted", whose lines tell names ("untagged: …") from layers ("deleted: …").
std::string deleted_images_text(const json::Value& report);
/// "Total reclaimed space: 1.2MB".
std::string reclaimed_text(int64_t bytes);

}  // namespace berth::cli

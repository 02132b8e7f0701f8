// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/flag_values.h"
#include "cli/flags.h"

/// Flags that many commands have, in Docker's words.
namespace berth::cli {

/// --format of listings.
inline constexpr Flag kFormatFlag = {
    .name = "format",
    .kind = Flag::Kind::text,
    .usage =
        "Format output using a custom template:\n"
        "'table':            Print output in table format with column headers (default)\n"
        "'table TEMPLATE':   Print output in table format using the given Go template\n"
        "'json':             Print in JSON format\n"
        "'TEMPLATE':         Print output using the given Go template.\n"
        "Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with "
        "templates",
};

/// -f, --format of `inspect`, and of info and version.
inline constexpr Flag kInspectFormatFlag = {
    .name = "format",
    .shorthand = 'f',
    .kind = Flag::Kind::text,
    .usage =
        "Format output using a custom template:\n"
        "'json':             Print in JSON format\n"
        "'TEMPLATE':         Print output using the given Go template.\n"
        "Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with "
        "templates",
};

/// -f, --filter of listings.
constexpr Flag filter_flag(std::string_view usage) {
    return {.name = "filter",
            .shorthand = 'f',
            .kind = Flag::Kind::list,
            .usage = usage,
            .type = "filter",
            .check = check_filter};
}
inline constexpr Flag kFilterFlag = filter_flag("Filter output based on conditions provided");

inline constexpr Flag kNoTruncFlag = {
    .name = "no-trunc", .kind = Flag::Kind::boolean, .usage = "Don't truncate output"};

/// -q, --quiet. `usage`: what is left then.
constexpr Flag quiet_flag(std::string_view usage) {
    return {"quiet", 'q', Flag::Kind::boolean, usage};
}

}  // namespace berth::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/container/each_container.h"

/// What `stop` and `restart` share.
namespace berth::cli {

inline constexpr Flag kStopFlags[] = {
    {.name = "signal", .shorthand = 's', .usage = "Signal to send to the container"},
    {.name = "time",
     .kind = Flag::Kind::number,
     .usage = "Seconds to wait before killing the container (deprecated: use --timeout)",
     .hidden = true,
     .deprecated = "use --timeout instead"},
    {.name = "timeout",
     .shorthand = 't',
     .kind = Flag::Kind::number,
     .usage = "Seconds to wait before killing the container"},
};

/// Of these flags. Throws invalid_argument where both names of the timeout are given.
client::Query stop_query(const Flags& flags);

}  // namespace berth::cli

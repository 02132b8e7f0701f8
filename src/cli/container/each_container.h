// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/session.h"

namespace berth::cli {

/// The line for a container that was dealt with ("" prints nothing).
using OnContainer = std::function<async::Task<std::string>(client::Engine& engine, std::string name)>;

inline constexpr size_t kAtOnce = 50;

/// What `docker stop A B` and its like do: `act` on each container, at most `at_once` at a time. Prints each
/// line in the order of the names as soon as it is known, and at the end what failed. Throws ExitStatus 1
/// where anything did.
async::Task<void> each_container(Session& session, std::vector<std::string> names, OnContainer act,
                                 size_t at_once = kAtOnce);

/// As an OnContainer: POST /containers/NAME/`verb` with the query; its line is the name.
OnContainer post_to_container(std::string verb, client::Query query = {});
/// The command that does no more than that to the containers of its words.
int post_to_each(Invocation& call, std::string verb, client::Query query = {}, size_t at_once = kAtOnce);

}  // namespace berth::cli

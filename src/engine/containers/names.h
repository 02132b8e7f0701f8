// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Names of containers: [a-zA-Z0-9][a-zA-Z0-9_.-]+, kept without the "/" that the API puts before them.
namespace berth::engine {

bool is_valid_container_name(std::string_view name);
/// `name` without its leading "/". Throws invalid_argument in Docker's words.
std::string checked_container_name(std::string_view name);

/// A name for a container that was given none: "adjective_surname", from the 5th try on with a digit behind.
/// `random` chooses among all of them.
std::string made_up_name(uint64_t random, int attempt);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace berth::oci {

/// Of the output of ps(1): the heading, and the lines whose PID column is in `pids`. Throws if there is no
/// such column.
std::string filter_process_table(std::string_view table, const std::vector<pid_t>& pids);

/// The first executable file of that name in $PATH. Throws not_found.
std::string find_in_path(std::string_view name);

}  // namespace berth::oci

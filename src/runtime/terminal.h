// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "base/unique_fd.h"

namespace berth::runtime {

/// Connects to the unix stream socket that will be sent a pty's master (--console-socket). The path may be
/// longer than sun_path. Errors name it.
UniqueFd connect_console_socket(const std::string& path);

/// `pid` as text, atomically: whoever waits for the file reads a whole number.
void write_pid_file(const std::string& path, pid_t pid);

}  // namespace berth::runtime

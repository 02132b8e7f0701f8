// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "command.h"

namespace berth::oci {

/// Every command has it, and the program itself.
inline constexpr Flag kHelpFlag{"help", "h", Flag::Kind::boolean, "show help"};

/// The help pages, laid out as urfave/cli v1 does: scripts look for their headings and flags.
std::string program_help(std::span<const Flag> global_flags);
std::string command_help(const Command& command);
/// What `--version` prints. dockerd takes the first line with "version", and "commit: …".
std::string version_text();

}  // namespace berth::oci

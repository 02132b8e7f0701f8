// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flags.h"

/// berth's commands form a tree: a node is a group (`berth image`) or a command (`berth image pull`). Each
/// command has its own file, which defines its Command and nothing else that is public. They parse, call the
/// libraries, and print.
namespace berth::app {

struct Command;

/// One call of a command: its flags and words are checked against the command's table.
struct Invocation {
    const Command& command;
    std::string path;  ///< "berth image pull"
    Flags flags;       ///< those of the command and of the groups above it
    std::vector<std::string> args;
};

struct Command {
    std::string_view name;
    std::string_view summary;
    std::string_view arguments = {};  ///< as help shows them: "[OPTIONS] NAME[:TAG|@DIGEST]"
    std::string_view description =
        {};  ///< instead of the summary, in the command's own help; may have several lines
    std::span<const Flag> flags = {};  ///< of a group: its commands take them too
    size_t min_args = 0;
    size_t max_args = 0;
    /// The exit status. What it throws is printed to stderr and exits with 1.
    int (*run)(const Invocation& invocation) = nullptr;
    /// Of a group, which has no `run`; or of a command that has commands below it (`berth daemon stop`),
    /// whose flags are its own alone.
    std::span<const Command* const> children = {};
    std::span<const std::string_view> aliases = {};  ///< other names in the same group: "list" for "ls"
};

inline constexpr size_t kAnyNumber = static_cast<size_t>(-1);

/// The whole tree.
extern const Command kBerthCommand;

/// The program: `words` are its arguments. Returns the exit status and throws nothing.
int berth_main(const std::vector<std::string>& words);

}  // namespace berth::app

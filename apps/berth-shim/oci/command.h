// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flags.h"
#include "runtime/container.h"

/// berth-oci's commands: each has its own file, which defines its Command. They parse, call the library, and
/// print.
namespace berth::oci {

inline constexpr std::string_view kProgram = "berth-oci";

struct Command;

/// One call of a command: its flags and words are checked against the command's table.
struct Invocation {
    char** argv;  ///< the whole command line, to execute it again (self_protect.h)
    const Command& command;
    runtime::Settings settings;
    Flags flags;
    std::vector<std::string> args;

    const std::string& id() const { return args.front(); }
    runtime::Container container() const { return runtime::Container::load(settings, id()); }
};

struct Command {
    std::string_view name;
    std::string_view summary;
    std::string_view arguments;    ///< as help shows them: "<container-id> [signal]"
    std::string_view description;  ///< may be empty
    std::span<const Flag> flags;
    size_t min_args = 1;
    size_t max_args = 1;
    /// The exit status. What it throws is reported with `failure_prefix` before it, and exits with
    /// `failure_code`.
    int (*run)(const Invocation& invocation) = nullptr;
    std::string_view failure_prefix = {};
    int failure_code = 1;
    /// A program that is not found exits with 127, one that can't be executed with 126 (docs/berth-oci.md).
    bool exec_codes = false;
    /// A process in the container can see this one: see self_protect.h.
    bool seen_in_container = false;
};

inline constexpr size_t kAnyNumber = static_cast<size_t>(-1);

extern const Command kCheckpointCommand, kCreateCommand, kDeleteCommand, kEventsCommand, kExecCommand,
    kFeaturesCommand, kKillCommand, kListCommand, kPauseCommand, kPsCommand, kRestoreCommand, kResumeCommand,
    kRunCommand, kSpecCommand, kStartCommand, kStateCommand, kUpdateCommand;

/// All of them, in alphabetical order.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

/// The program: `words` are its arguments, `argv` is all of the command line, to execute it again
/// (self_protect.h). Returns the exit status and throws nothing.
int oci_main(char** argv, const std::vector<std::string>& words);

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "command.h"

namespace berth::oci {

namespace {

constexpr std::array<const Command*, 17> kCommands = {
    &kCheckpointCommand, &kCreateCommand, &kDeleteCommand, &kEventsCommand, &kExecCommand,
    &kFeaturesCommand,   &kKillCommand,   &kListCommand,   &kPauseCommand,  &kPsCommand,
    &kRestoreCommand,    &kResumeCommand, &kRunCommand,    &kSpecCommand,   &kStartCommand,
    &kStateCommand,      &kUpdateCommand,
};

}  // namespace

std::span<const Command* const> commands() {
    return kCommands;
}

const Command* find_command(std::string_view name) {
    for (const Command* command : kCommands)
        if (command->name == name) return command;
    return nullptr;
}

}  // namespace berth::oci

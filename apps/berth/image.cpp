// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "commands.h"
#include "store_flags.h"

namespace berth::app {

namespace {

constexpr std::array<const Command*, 20> kChildren = {
    &kCheckCommand,   &kCommitCommand, &kDiffCommand,     &kExportCommand, &kGcCommand,
    &kHistoryCommand, &kImportCommand, &kInspectCommand,  &kLoadCommand,   &kListCommand,
    &kMountCommand,   &kPruneCommand,  &kPullCommand,     &kPushCommand,   &kRepairCommand,
    &kRemoveCommand,  &kSaveCommand,   &kSnapshotCommand, &kTagCommand,    &kUnmountCommand,
};

constexpr std::array kFlags{kRootFlag};

}  // namespace

constexpr Command kImageCommand{
    .name = "image",
    .summary = "Manage images",
    .description = "Manage images in a store, without a daemon",
    .flags = kFlags,
    .children = kChildren,
};

}  // namespace berth::app

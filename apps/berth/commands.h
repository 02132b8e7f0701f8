// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "command.h"

/// Every command, each defined in the file of its name.
namespace berth::app {

extern const Command kDaemonCommand, kImageCommand, kLoadCommand, kLoginCommand, kLogoutCommand,
    kRegistryCommand, kSystemCommand, kVersionCommand;

// berth daemon …
extern const Command kDaemonInstallCommand, kDaemonStopCommand;

// berth image …
extern const Command kCheckCommand, kCommitCommand, kDiffCommand, kExportCommand, kGcCommand, kHistoryCommand,
    kImportCommand, kInspectCommand, kListCommand, kMountCommand, kPruneCommand, kPullCommand, kPushCommand,
    kRemoveCommand, kRepairCommand, kSaveCommand, kSnapshotCommand, kStoreUsageCommand, kTagCommand,
    kUnmountCommand;

}  // namespace berth::app

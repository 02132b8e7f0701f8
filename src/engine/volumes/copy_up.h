// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/volumes/mounts.h"
#include "engine/volumes/volumes.h"
#include "store/snapshots.h"

namespace berth::engine {

/// Create: each volume of `mounts` with copy_data that is empty gets what the container's root file system
/// has at its destination: content, owner, mode, attributes, times. `plan` is of the container's snapshot,
/// which nobody else has mounted. A volume over a file is refused as with Docker.
///
/// All or nothing, also at kill -9: content is gathered beside the volume (<name>/_copy), which a rename then
/// makes valid (<name>/_copied), and only then moved in. finish_copy_up() ends what was valid and removes
/// what was not; Volumes calls it at the daemon's start, this function before it looks whether a volume is
/// empty. Blocking.
void populate_volumes(const store::MountPlan& plan, const std::vector<MountPoint>& mounts,
                      const std::map<std::string, Volume>& volumes);
/// Whether populate_volumes() has anything to do: spares the mount of the root file system.
bool needs_populate(const std::vector<MountPoint>& mounts, const std::map<std::string, Volume>& volumes);

/// `volume` is <data-root>/volumes/<name>.
void finish_copy_up(const std::string& volume);

/// The same of a folder that is open, below `source_root`, into the folder of a volume. For tests.
void copy_up(int source_root, const std::string& destination, const std::string& volume);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "store/snapshots.h"

namespace berth::engine {

/// Makes a new container's working directory (Config.WorkingDir; "" and "/" are there) and the folders above
/// it where they are missing, 0755 and root's, as dockerd does at create: `docker cp` into it works before
/// the first start. `plan` is the container's own, mounted nowhere else; it is mounted only if the layers
/// alone don't show that the folder is there. Blocking. internal "Cannot mkdir: /x is not a directory". A
/// symlink that leads nowhere is left to the start.
void make_working_folder(const store::MountPlan& plan, const std::string& path);

}  // namespace berth::engine

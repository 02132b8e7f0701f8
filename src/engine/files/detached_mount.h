// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.h"
#include "spec/runtime.h"

namespace berth::engine {

/// Of the mounts of an OCI configuration, those that hold a user's files: binds and file systems other than
/// tmpfs (whose content dies with the container) and the kernel's own.
bool holds_files(const spec::Mount& mount);

/// A mount that is in no namespace yet: of a bind (the source is looked up in this one's) or of a new file
/// system, with the attributes of its options; private. Its folder can be used by the descriptor, and
/// move_mount(2) puts it into place. Gone with the last descriptor. Blocking. Throws what the kernel says.
UniqueFd make_detached_mount(const spec::Mount& mount);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

/// Whole trees on disk, as deep as they may be (a descriptor at a time, no recursion), never beyond a mount
/// point or through a symlink.
namespace berth::store {

/// Opens the folder `path`; makes it, and those above, where absent (mode 0700).
UniqueFd make_folder(const std::string& path);

/// Bytes on disk of <dir>/<name> and all below it, as `du -s` counts them: blocks, folders too, an inode with
/// several names once. 0 where it is absent. What is moved about meanwhile may be left out.
uint64_t disk_usage(int dir, const std::string& name);

/// What the files below <dir>/<name> hold: their sizes, an inode with several names once. 0 where it is
/// absent.
uint64_t content_size(int dir, const std::string& name);

/// Removes <dir>/<name> and all below it; absent is fine.
void remove_tree(int dir, const std::string& name);

}  // namespace berth::store

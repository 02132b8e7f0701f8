// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/snapshots.h"

/// What overlayfs (kernel: Documentation/filesystems/overlayfs.rst) is mounted with.
namespace berth::store {

/// A plan over `lowers` (absolute paths, uppermost first; at least one), read-only without `upper`.
struct OverlayFolders {
    std::vector<std::string> lowers;
    std::string upper, work;
    bool is_volatile = false;
};
MountPlan overlay_plan(const OverlayFolders& folders);

/// Whether overlayfs keeps its marks in "user." attributes here, since "trusted." ones are the first user
/// namespace's.
bool needs_user_xattrs();
/// Whether the text of /proc/<pid>/mountinfo shows a mount that has the folder `path` (without symlinks) as a
/// layer or as its upper folder.
bool is_in_a_mount(std::string_view mountinfo, std::string_view path);
/// Whether a path can be an option's value as it is.
bool is_mountable_path(std::string_view path);

/// The two ways that mount() knows; each throws. With fsconfig(2), a layer at a time (Linux 6.8): false where
/// the kernel doesn't know "lowerdir+" or another option, or a value is longer than it takes.
bool mount_by_parts(const MountPlan& plan, const std::string& target);
/// With mount(2), all options in one page: layers are named from their common folder, which a thread of its
/// own enters, where their paths are too long.
void mount_at_once(const MountPlan& plan, const std::string& target);

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/runtime.h"

/// mounts[].options of config.json (runtime-spec config.md, "Linux mount options"), sorted by the system call
/// of the new mount API that takes them.
namespace berth::runtime {

/// One of MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE, as mount_attr.propagation takes it.
struct PropagationChange {
    uint64_t type = 0;
    bool recursive = false;
    bool operator==(const PropagationChange&) const = default;
};

/// A flag for FSCONFIG_SET_FLAG that all file systems share ("sync", "dirsync", "lazytime", "mand" and their
/// opposites). One that is not `required` is known to some file systems only: EINVAL means that there is
/// nothing to set.
struct SuperblockFlag {
    std::string_view name;
    bool required = true;
    bool operator==(const SuperblockFlag&) const = default;
};

struct MountOptions {
    bool bind = false;            ///< bind or rbind (also type "bind")
    bool recursive_bind = false;  ///< rbind
    bool remount = false;         ///< change what is mounted at the destination, mount nothing

    /// MOUNT_ATTR_* for mount_setattr(2) on the mount itself; attr_set alone is right for fsmount(2). In
    /// order of the options, so a later one wins and no bit is in both, but for MOUNT_ATTR__ATIME: that is a
    /// field, not a set of bits, and attr_clr has all of it whenever an option speaks about it, as the kernel
    /// demands.
    uint64_t attr_set = 0;
    uint64_t attr_clr = 0;
    /// The same for the whole tree (AT_RECURSIVE), from rro, rnosuid, …
    uint64_t rec_attr_set = 0;
    uint64_t rec_attr_clr = 0;

    /// In order; applied after the mount is in place.
    std::vector<PropagationChange> propagation;

    /// Does not hold "ro" and "rw": a superblock may be shared with the host, and tmpcopyup must write first,
    /// so a read-only mount is MOUNT_ATTR_RDONLY. For a file system on a block device `ro` belongs to the
    /// superblock too.
    std::vector<SuperblockFlag> superblock_flags;

    bool copy_up = false;    ///< tmpcopyup: a tmpfs starts with what lay at the destination
    bool idmap = false;      ///< idmap, ridmap, or the mount has mappings
    bool rec_idmap = false;  ///< ridmap

    /// For the file system: FSCONFIG_SET_STRING, or FSCONFIG_SET_FLAG without a value. In order. fsconfig(2)
    /// takes at most 255 bytes of value. Not for bind mounts.
    std::vector<std::pair<std::string, std::optional<std::string>>> data;

    bool read_only() const;
};

/// `field` ("mounts[2]") starts the paths in messages. Throws invalid_argument for what contradicts itself:
/// idmap without bind, tmpcopyup on another type than tmpfs, mappings of users but not of groups.
MountOptions parse_mount_options(const spec::Mount& mount, std::string_view field);

/// All names that are understood here, sorted; what else appears is the file system's.
std::span<const std::string_view> known_mount_options();

}  // namespace berth::runtime

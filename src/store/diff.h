// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/byte_stream.h"

namespace berth::store {

enum class ChangeKind { modified, added, deleted };

struct Change {
    std::string path;  ///< absolute, as `docker diff` shows it
    ChangeKind kind = ChangeKind::modified;

    bool operator==(const Change&) const = default;
};

/// What an overlay's upper folder changes against `lowers` (descriptors, uppermost first), sorted by path. A
/// folder that only holds changes is `modified`, as in `docker diff`; what was copied up and is the same as
/// below is left out. The root itself is never listed.
std::vector<Change> changes(int upper, const std::vector<int>& lowers);

struct LayerTarOptions {
    /// Times later than this are set to it (SOURCE_DATE_EPOCH), in seconds.
    std::optional<int64_t> clamp_mtime;
};

/// Writes an upper folder as a layer: whiteouts and opaque marks as `.wh.` files, hard links among its own
/// files, xattrs (is_kept_xattr), holes not kept, times in whole seconds, sorted by path, without user names:
/// the same tree gives the same bytes. The root's own metadata is not a part of a layer, as with Docker.
/// Overlay's redirects (metacopy, redirect_dir) are refused: they are never turned on in what we mount; so
/// are names that would be whiteouts when unpacked. Sockets are left out. Trees deeper than 1024 folders are
/// refused. Returns the size of file contents. A file that changes its size meanwhile is cut off or filled up
/// with zeros.
uint64_t write_layer_tar(int upper, sys::ByteSink& to, const LayerTarOptions& options = {});

/// Writes a whole file system (docker export): everything below `root` on its mount, sorted, whiteout devices
/// and what is mounted within left out.
uint64_t write_tree_tar(int root, sys::ByteSink& to, const LayerTarOptions& options = {});

}  // namespace berth::store

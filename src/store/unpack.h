// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/byte_stream.h"

namespace berth::store {

/// How whiteouts of an archive (OCI image-spec, layer.md, "Representing Changes") are kept in the folder.
enum class WhiteoutFormat {
    overlay,  ///< a layer's folder: 0/0 character device, trusted.overlay.opaque=y
    apply,    ///< the folder is a whole file system: what they name is deleted (docker load of old archives,
              ///< import)
    none,     ///< names are taken as they are (import, docker cp)
};

struct UnpackOptions {
    WhiteoutFormat whiteouts = WhiteoutFormat::overlay;
    uint64_t max_bytes = UINT64_MAX;  ///< of file contents, holes included
    uint64_t max_entries = 10'000'000;
    /// "user.overlay." instead of "trusted.overlay.", for a daemon without CAP_SYS_ADMIN in the first user
    /// namespace. Devices and attributes that such a daemon can't make are left out.
    bool user_xattrs = false;
    bool keep_owner = true;
    /// Called at times with the bytes of file contents so far; may throw to stop.
    std::function<void(uint64_t)> progress;
};

/// What an archive leaves to be done when the layers below are known, since a layer is unpacked without them.
/// Paths are relative, without "." and "..".
struct UnpackResult {
    uint64_t bytes = 0;  ///< of file contents, holes included
    uint64_t entries = 0;
    /// Folders that the archive has no entry for, sorted; "." is the root. Made with 0755 root, to get what
    /// the layers below have.
    std::vector<std::string> implied_directories;
    /// Hard links whose target is not in this archive: (name, target).
    std::vector<std::pair<std::string, std::string>> links_below;
};

/// Unpacks a tar stream into the folder `root` (a descriptor; empty unless whiteouts are `apply` or `none`),
/// and reads the stream to its end. Nothing is ever made, changed or followed outside of it, whatever the
/// archive says: each folder is opened by its name relative to the one above, never through a symlink
/// (FolderChain). An entry behind a symlink (`lib -> usr/lib`, then `lib/x`) goes where that leads within the
/// root, into folders that are made where they are missing, as with Docker and containerd. One that names
/// "..", or lies behind a file of the archive, fails with invalid_argument and its name. A later entry
/// replaces an earlier one of the same name (a directory stays and gets the new metadata); a whiteout hides
/// only what lies in the layers below, wherever in the archive it stands. Owners, modes with setuid, times
/// (nanoseconds), xattrs (is_kept_xattr), devices, fifos, holes are kept. Blocking, nothing is synced.
/// Constant memory except for the result, which is limited to 16 MiB, and with `apply` and `none` for 8 bytes
/// and a bucket for each name.
UnpackResult unpack(sys::ByteSource& tar, int root, const UnpackOptions& options);

/// Does what was left: copies metadata of implied folders and contents of links from `lowers` (descriptors of
/// layer folders, uppermost first). Links to one file are links to each other. A link whose target is in no
/// layer throws invalid_argument. `options` as given to unpack().
void settle(const UnpackResult& result, int root, const std::vector<int>& lowers,
            const UnpackOptions& options = {});

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "store/images.h"
#include "sys/byte_stream.h"

/// New images from trees of files: from an archive, from a snapshot.
namespace berth::store {

struct NewImageText {
    std::string author;
    std::string message;               ///< the history's comment
    std::vector<std::string> changes;  ///< see config_changes.h
    std::vector<spec::Reference> names;
};

/// An image of one layer from a tar of a file system (plain, gzip or zstd; kept as it is, for a byte-exact
/// push).
Image import_image(Store& store, sys::ByteSource& tar, const spec::Platform& platform,
                   const NewImageText& text);

/// An image of a snapshot: `base` (the image that the snapshot was made from, or nothing for an empty one)
/// and a layer of what the snapshot changed, if anything. The caller sees to it that nobody writes to the
/// snapshot meanwhile.
Image commit_image(Store& store, const std::string& snapshot, const std::optional<Image>& base,
                   const NewImageText& text);

/// The image that a snapshot was made from: the one whose layers it has. Nothing for a snapshot without
/// layers; not_found; conflict where there are several, with their ids.
std::optional<Image> base_of(const Store& store, const SnapshotInfo& snapshot);

}  // namespace berth::store

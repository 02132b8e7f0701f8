// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "store/blobs.h"
#include "store/images.h"
#include "store/metadata.h"
#include "store/overlay_snapshots.h"
#include "store/space.h"

namespace berth::store {

/// What all of Store's files share. Snapshots come before blobs: whose constructor recovers both.
struct Store::State {
    State(std::string folder, const Options& options);

    const std::string root;
    const Reserve reserve;
    Metadata metadata;
    OverlaySnapshots snapshots;
    bool was_alone = false;
    BlobStore blobs;
};

}  // namespace berth::store

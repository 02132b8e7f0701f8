// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "store/images.h"

/// A snapshot's writable folder becomes a layer as it stands: one pass over what it has changed, for the
/// digest, and a rename. Nothing is compressed, copied or unpacked; blobs are made when somebody pushes or
/// saves (Store::write_layer gives the same bytes again).
namespace berth::store {

struct Adopted {
    /// None where nothing was changed: there is no new layer, and `chain_id` is the parent's ("" for none).
    std::optional<Digest> diff_id;
    std::optional<Digest> chain_id;
    uint64_t size = 0;  ///< of file contents
    uint64_t disk_bytes = 0;
};
/// The snapshot is gone afterwards, whatever comes of it; conflict where it is mounted in this namespace (in
/// another one, nobody may write to it any more). Where the chain's layer is there already (made by somebody
/// else meanwhile) that one is given. The layer is protected by the lease; not synced, and without a blob: a
/// power cut before Snapshots::sync() loses it.
///
/// `clamp_mtime`: files that are younger get this time, in the folder too (s): SOURCE_DATE_EPOCH. What
/// overlayfs or the mount points of a step left is the caller's to remove before.
///
///   lock of the chain id -> row `building` -> rename s/<n>/fs to l/<m> -> row `ready` + lease
///
/// The snapshot's row goes in the last transaction. Killed between: `building` without a lock, or a snapshot
/// without `fs`: both are ended by the next collection, see docs/store.md.
Adopted adopt_snapshot(Store& store, Lease& lease, const std::string& snapshot,
                       std::optional<int64_t> clamp_mtime);

}  // namespace berth::store

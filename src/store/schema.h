// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "db/database.h"

/// The schema of <root>/state.db (docs/store.md has it as a picture).
namespace berth::store {

/// Every step from the first version on; the list only grows.
std::span<const db::Migration> migrations();

/// What BlobStore must keep for the images.
inline constexpr std::string_view kReferencedBlobs = "SELECT digest FROM image_blobs";

}  // namespace berth::store

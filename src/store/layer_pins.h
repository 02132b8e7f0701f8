// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/digest.h"
#include "store/images.h"

/// Pins: what holds a layer for longer than its process lives, beside images and snapshots. A row in
/// `layer_pins (chain_id, owner)`, which the collector heeds as it does a snapshot's parent. For the build
/// cache, whose results belong to no image.
namespace berth::store {

/// While `lease` protects the layer; unavailable where it is not ready. Again is fine. Not synced: a power
/// cut may take it back, with the layer.
void pin_layer(Store& store, Lease& lease, const Digest& chain_id, const std::string& owner);
/// The layers are collected when nothing else holds them (Snapshots::collect).
void unpin_layers(Store& store, const std::vector<Digest>& chain_ids, const std::string& owner);
std::vector<Digest> pinned_layers(const Store& store, const std::string& owner);
/// Of `chain_ids`, those that an image has too.
std::vector<Digest> layers_of_images(const Store& store, const std::vector<Digest>& chain_ids);

}  // namespace berth::store

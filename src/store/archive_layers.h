// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "store/compression.h"
#include "store/images.h"

namespace berth::store {

/// Makes sure that each layer of a stack, lowest first, is unpacked and protected by the lease. The blobs
/// must be in the store. What is inside of each blob is compared with its diff id: throws invalid_argument
/// ("layer 3 of 7 (sha256:…): …") where it is another, or more than the disk can take. One layer at a time,
/// so that no layer is waited for (another process may be making it) while one is held.
void unpack_layers(Store& store, Lease& lease, const std::vector<LayerBlob>& layers,
                   const std::function<void(const Digest& diff_id, uint64_t bytes)>& progress);

/// Detects the compression from the first bytes of a stream and gives them again.
class PeekedSource : public sys::ByteSource {
  public:
    explicit PeekedSource(sys::ByteSource& from);
    Compression compression() const { return detect_compression(std::span(head_).first(held_)); }
    size_t read(std::span<std::byte> into) override;

  private:
    sys::ByteSource& from_;
    std::array<std::byte, 512> head_{};
    size_t held_ = 0, given_ = 0;
};

}  // namespace berth::store

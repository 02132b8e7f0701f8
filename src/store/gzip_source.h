// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "store/inflate.h"
#include "sys/byte_stream.h"

namespace berth::store {

/// The contents of a gzip stream (RFC 1952), all its members one after the other. Each member's CRC and
/// length are checked. An end in the middle and anything but a member behind a member throw invalid_argument.
class GzipSource : public sys::ByteSource {
  public:
    /// Borrows `from`.
    GzipSource(sys::ByteSource& from, std::unique_ptr<Inflater> inflater);
    size_t read(std::span<std::byte> into) override;

  private:
    bool fill();
    std::byte next_byte();
    bool read_header();
    void read_trailer();

    sys::ByteSource& from_;
    std::unique_ptr<Inflater> inflater_;
    std::unique_ptr<std::byte[]> buffer_;
    std::span<const std::byte> input_;
    uint32_t length_ = 0;  ///< of the present member, modulo 2³²
    bool in_member_ = false;
    bool had_member_ = false;
    bool more_output_ = false;  ///< the inflater may hold output that had no room
    bool ended_ = false;
};

}  // namespace berth::store

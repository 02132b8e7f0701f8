// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace berth::store {

/// Raw deflate (RFC 1951) with the CRC-32 of what comes out. gzip_source.h puts gzip's framing around it, so
/// that both implementations accept the same streams.
class Inflater {
  public:
    virtual ~Inflater() = default;
    /// Starts a new stream.
    virtual void reset() = 0;

    struct Step {
        size_t consumed = 0, produced = 0;
        bool ended = false;  ///< the stream's last block has come out whole
    };
    /// Goes on with `in` as far as `out` has room. Throws invalid_argument for what is not deflate.
    virtual Step step(std::span<const std::byte> in, std::span<std::byte> out) = 0;
    /// After the end: bytes behind the stream that were consumed all the same, at most 8.
    virtual std::span<const std::byte> surplus() const = 0;
    virtual uint32_t crc() const = 0;
};

/// ISA-L's, or null where libisal.so.2 is not installed.
std::unique_ptr<Inflater> make_isal_inflater();
std::unique_ptr<Inflater> make_zlib_inflater();

}  // namespace berth::store

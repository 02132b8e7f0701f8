// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "sys/byte_stream.h"

namespace berth::store {

enum class Compression { none, gzip, zstd };

std::string_view to_string(Compression compression);
/// By the first bytes; a tar header needs none. `head` has at least 6 bytes unless the data is shorter.
Compression detect_compression(std::span<const std::byte> head);
/// By a layer's media type ("…+gzip", "….tar.gzip", "+zstd", "….tar"); nothing for an unknown one.
std::optional<Compression> compression_of(std::string_view media_type);

/// What `from` holds, uncompressed: gzip (several members too; ISA-L where it is installed, else zlib; CRC
/// and length are checked), zstd (several frames; windows of at most 128 MiB), or as it is. A stream that is
/// cut off or goes on with garbage throws invalid_argument. Expansion is not limited here: see LimitedSource.
/// Borrows `from`. Reads of at least 64 KiB are fastest.
std::unique_ptr<sys::ByteSource> make_decompressor(sys::ByteSource& from, Compression compression);

/// Compresses with a fixed level, without names or times: same input, same bytes. finish() must be called.
class Compressor : public sys::ByteSink {
  public:
    virtual void finish() = 0;
};
/// `level` -1: 6 for gzip, 3 for zstd. Borrows `to`.
std::unique_ptr<Compressor> make_compressor(sys::ByteSink& to, Compression compression, int level = -1);

/// Gives at most `limit` bytes, then throws invalid_argument ("… is larger than …"): against decompression
/// bombs.
class LimitedSource : public sys::ByteSource {
  public:
    LimitedSource(sys::ByteSource& from, uint64_t limit, std::string what)
        : from_(from), left_(limit), limit_(limit), what_(std::move(what)) {}
    size_t read(std::span<std::byte> into) override;

  private:
    sys::ByteSource& from_;
    uint64_t left_, limit_;
    std::string what_;
};

/// Passes bytes on, counts and hashes them.
class HashingSource : public sys::ByteSource {
  public:
    explicit HashingSource(sys::ByteSource& from, std::string_view algorithm = "sha256")
        : from_(from), hasher_(algorithm) {}
    size_t read(std::span<std::byte> into) override;
    uint64_t count() const { return count_; }
    Digest digest() { return hasher_.finish(); }

  private:
    sys::ByteSource& from_;
    Hasher hasher_;
    uint64_t count_ = 0;
};

/// The same for what is written.
class HashingSink : public sys::ByteSink {
  public:
    explicit HashingSink(sys::ByteSink& to, std::string_view algorithm = "sha256")
        : to_(to), hasher_(algorithm) {}
    void write(std::span<const std::byte> data) override;
    uint64_t count() const { return count_; }
    Digest digest() { return hasher_.finish(); }

  private:
    sys::ByteSink& to_;
    Hasher hasher_;
    uint64_t count_ = 0;
};

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#include "store/compression.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "store/gzip_compressor.h"
#include "store/gzip_source.h"
#include "store/zstd_stream.h"

namespace berth::store {

namespace {

class PlainSource : public sys::ByteSource {
  public:
    explicit PlainSource(sys::ByteSource& from) : from_(from) {}
    size_t read(std::span<std::byte> into) override { return from_.read(into); }

  private:
    sys::ByteSource& from_;
};

class PlainCompressor : public Compressor {
  public:
    explicit PlainCompressor(sys::ByteSink& to) : to_(to) {}
    void write(std::span<const std::byte> data) override { to_.write(data); }
    void finish() override {}

  private:
    sys::ByteSink& to_;
};

}  // namespace

std::string_view to_string(Compression compression) {
    switch (compression) {
        case Compression::none: return "none";
        case Compression::gzip: return "gzip";
        case Compression::zstd: return "zstd";
    }
    return "none";
}

Compression detect_compression(std::span<const std::byte> head) {
    auto byte = [&](size_t i) { return i < head.size() ? std::to_integer<unsigned>(head[i]) : 0; };
    if (byte(0) == 0x1f && byte(1) == 0x8b && byte(2) == 8) return Compression::gzip;
    if (byte(0) == 0x28 && byte(1) == 0xb5 && byte(2) == 0x2f && byte(3) == 0xfd) return Compression::zstd;
    // A skippable frame: 0x184D2A5? in little endian.
    if ((byte(0) & 0xf0) == 0x50 && byte(1) == 0x2a && byte(2) == 0x4d && byte(3) == 0x18)
        return Compression::zstd;
    return Compression::none;
}

std::optional<Compression> compression_of(std::string_view media_type) {
    media_type = media_type.substr(0, media_type.find(';'));
    auto ends_with = [&](std::initializer_list<std::string_view> endings) {
        return std::ranges::any_of(endings,
                                   [&](std::string_view ending) { return media_type.ends_with(ending); });
    };
    if (ends_with({"+gzip", ".tar.gzip", ".tar.gz"})) return Compression::gzip;
    if (ends_with({"+zstd", ".tar.zstd"})) return Compression::zstd;
    if (ends_with({".tar"})) return Compression::none;
    return std::nullopt;
}

std::unique_ptr<sys::ByteSource> make_decompressor(sys::ByteSource& from, Compression compression) {
    switch (compression) {
        case Compression::none: return std::make_unique<PlainSource>(from);
        case Compression::gzip: {
            std::unique_ptr<Inflater> inflater = make_isal_inflater();
            if (!inflater) inflater = make_zlib_inflater();
            return std::make_unique<GzipSource>(from, std::move(inflater));
        }
        case Compression::zstd: return make_zstd_source(from);
    }
    throw Error(ErrorKind::internal, "unknown compression");
}

std::unique_ptr<Compressor> make_compressor(sys::ByteSink& to, Compression compression, int level) {
    constexpr int kGzipLevel = 6, kZstdLevel = 3;
    switch (compression) {
        case Compression::none: return std::make_unique<PlainCompressor>(to);
        case Compression::gzip: return make_gzip_compressor(to, level < 0 ? kGzipLevel : level);
        case Compression::zstd: return make_zstd_compressor(to, level < 0 ? kZstdLevel : level);
    }
    throw Error(ErrorKind::internal, "unknown compression");
}

size_t LimitedSource::read(std::span<std::byte> into) {
    if (left_ > 0 && !into.empty()) {
        size_t got = from_.read(into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left_))));
        left_ -= got;
        return got;
    }
    std::byte more{};
    if (from_.read({&more, 1}) != 0)
        throw make_error(ErrorKind::invalid_argument, "{} is larger than {} bytes", what_, limit_);
    return 0;
}

size_t HashingSource::read(std::span<std::byte> into) {
    size_t got = from_.read(into);
    hasher_.update(std::span<const std::byte>(into.first(got)));
    count_ += got;
    return got;
}

void HashingSink::write(std::span<const std::byte> data) {
    hasher_.update(data);
    count_ += data.size();
    to_.write(data);
}

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#include "store/gzip_compressor.h"

#include <zlib.h>

#include <algorithm>

#include "base/error.h"

namespace berth::store {

namespace {

class GzipCompressor : public Compressor {
  public:
    GzipCompressor(sys::ByteSink& to, int level)
        : to_(to), buffer_(std::make_unique_for_overwrite<std::byte[]>(kRoom)) {
        constexpr int kGzip = 16, kMemory = 8;
        if (::deflateInit2(&stream_, level, Z_DEFLATED, MAX_WBITS + kGzip, kMemory, Z_DEFAULT_STRATEGY) !=
            Z_OK)
            throw make_error(ErrorKind::invalid_argument, "gzip level {} is not between 0 and 9", level);
        header_.os = kUnknownSystem;
        ::deflateSetHeader(&stream_, &header_);
    }
    ~GzipCompressor() override { ::deflateEnd(&stream_); }
    GzipCompressor(const GzipCompressor&) = delete;
    GzipCompressor& operator=(const GzipCompressor&) = delete;

    void write(std::span<const std::byte> data) override {
        while (!data.empty()) {
            std::span<const std::byte> part = data.first(std::min<size_t>(data.size(), 1U << 30));
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(part.data()));
            stream_.avail_in = static_cast<uInt>(part.size());
            while (stream_.avail_in > 0) step(Z_NO_FLUSH);
            data = data.subspan(part.size());
        }
    }

    void finish() override {
        while (step(Z_FINISH) != Z_STREAM_END) {
        }
    }

  private:
    static constexpr size_t kRoom = 64 * 1024;
    static constexpr int kUnknownSystem = 255;

    int step(int flush) {
        stream_.next_out = reinterpret_cast<Bytef*>(buffer_.get());
        stream_.avail_out = kRoom;
        int result = ::deflate(&stream_, flush);
        if (size_t size = kRoom - stream_.avail_out; size > 0) to_.write({buffer_.get(), size});
        return result;
    }

    sys::ByteSink& to_;
    std::unique_ptr<std::byte[]> buffer_;
    gz_header header_{};
    z_stream stream_{};
};

}  // namespace

std::unique_ptr<Compressor> make_gzip_compressor(sys::ByteSink& to, int level) {
    return std::make_unique<GzipCompressor>(to, level);
}

}  // namespace berth::store

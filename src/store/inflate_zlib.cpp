// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "store/inflate.h"

namespace berth::store {

namespace {

class ZlibInflater : public Inflater {
  public:
    ZlibInflater() {
        if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK)
            throw Error(ErrorKind::internal, "zlib does not start");
    }
    ~ZlibInflater() override { ::inflateEnd(&stream_); }
    ZlibInflater(const ZlibInflater&) = delete;
    ZlibInflater& operator=(const ZlibInflater&) = delete;

    void reset() override {
        ::inflateReset(&stream_);
        crc_ = 0;
    }

    Step step(std::span<const std::byte> in, std::span<std::byte> out) override {
        in = in.first(std::min(in.size(), kMaxSpan));
        out = out.first(std::min(out.size(), kMaxSpan));
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
        stream_.avail_in = static_cast<uInt>(in.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        int result = ::inflate(&stream_, Z_NO_FLUSH);
        // Z_BUF_ERROR: nothing more to be done with this input and this room.
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            throw Error(ErrorKind::invalid_argument, "corrupt gzip data");
        Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out, result == Z_STREAM_END};
        crc_ = static_cast<uint32_t>(
            ::crc32(crc_, reinterpret_cast<const Bytef*>(out.data()), static_cast<uInt>(step.produced)));
        return step;
    }

    std::span<const std::byte> surplus() const override { return {}; }
    uint32_t crc() const override { return crc_; }

  private:
    static constexpr size_t kMaxSpan = 1U << 30;
    z_stream stream_{};
    uint32_t crc_ = 0;
};

}  // namespace

std::unique_ptr<Inflater> make_zlib_inflater() {
    return std::make_unique<ZlibInflater>();
}

}  // namespace berth::store

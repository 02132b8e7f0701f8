// SPDX-License-Identifier: Apache-2.0
#include "store/zstd_stream.h"

#include <fmt/format.h>
#include <zstd.h>

#include "base/error.h"

namespace berth::store {

namespace {

/// 128 MiB, what `zstd --long` makes and all implementations are asked to take.
constexpr int kMaxWindowLog = 27;

struct Free {
    void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
};

size_t check(size_t result, ErrorKind kind, std::string_view what) {
    if (::ZSTD_isError(result)) throw make_error(kind, "{}: {}", what, ::ZSTD_getErrorName(result));
    return result;
}

class ZstdSource : public sys::ByteSource {
  public:
    explicit ZstdSource(sys::ByteSource& from)
        : from_(from),
          context_(::ZSTD_createDCtx()),
          buffer_(std::make_unique_for_overwrite<std::byte[]>(::ZSTD_DStreamInSize() * 2)) {
        check(::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog),
              ErrorKind::internal, "zstd");
    }

    size_t read(std::span<std::byte> into) override {
        ZSTD_outBuffer out{into.data(), into.size(), 0};
        while (out.pos == 0 && !ended_) {
            if (input_.pos == input_.size && !more_output_ && !fill()) {
                if (in_frame_) throw Error(ErrorKind::invalid_argument, "the zstd stream is cut off");
                ended_ = true;
                break;
            }
            size_t left = check(::ZSTD_decompressStream(context_.get(), &out, &input_),
                                ErrorKind::invalid_argument, "corrupt zstd data");
            in_frame_ = left != 0;
            more_output_ = in_frame_ && out.pos == out.size;
        }
        return out.pos;
    }

  private:
    bool fill() {
        size_t got = from_.read({buffer_.get(), ::ZSTD_DStreamInSize() * 2});
        input_ = {buffer_.get(), got, 0};
        return got != 0;
    }

    sys::ByteSource& from_;
    std::unique_ptr<ZSTD_DCtx, Free> context_;
    std::unique_ptr<std::byte[]> buffer_;
    ZSTD_inBuffer input_{nullptr, 0, 0};
    bool in_frame_ = true;  ///< an empty stream is cut off too
    bool more_output_ = false;
    bool ended_ = false;
};

class ZstdCompressor : public Compressor {
  public:
    ZstdCompressor(sys::ByteSink& to, int level)
        : to_(to), context_(::ZSTD_createCCtx()), room_(::ZSTD_CStreamOutSize()) {
        buffer_ = std::make_unique_for_overwrite<std::byte[]>(room_);
        check(::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level),
              ErrorKind::invalid_argument, "zstd level");
        check(::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1), ErrorKind::internal, "zstd");
    }

    void write(std::span<const std::byte> data) override {
        ZSTD_inBuffer in{data.data(), data.size(), 0};
        while (in.pos < in.size) step(in, ZSTD_e_continue);
    }

    void finish() override {
        ZSTD_inBuffer in{nullptr, 0, 0};
        while (step(in, ZSTD_e_end) != 0) {
        }
    }

  private:
    size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective directive) {
        ZSTD_outBuffer out{buffer_.get(), room_, 0};
        size_t left =
            check(::ZSTD_compressStream2(context_.get(), &out, &in, directive), ErrorKind::internal, "zstd");
        if (out.pos > 0) to_.write({buffer_.get(), out.pos});
        return left;
    }

    sys::ByteSink& to_;
    std::unique_ptr<ZSTD_CCtx, Free> context_;
    size_t room_;
    std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace

std::unique_ptr<sys::ByteSource> make_zstd_source(sys::ByteSource& from) {
    return std::make_unique<ZstdSource>(from);
}

std::unique_ptr<Compressor> make_zstd_compressor(sys::ByteSink& to, int level) {
    return std::make_unique<ZstdCompressor>(to, level);
}

}  // namespace berth::store

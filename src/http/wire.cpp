// SPDX-License-Identifier: Apache-2.0
#include "http/wire.h"

#include <algorithm>
#include <cstring>

namespace berth::http {

namespace {

constexpr size_t kChunkBuffer = 64 * 1024;
/// A chunk's size line with its extensions, or all trailers.
constexpr size_t kMaxFraming = 16 * 1024;

}  // namespace

void Wire::consume(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
}

async::Task<bool> Wire::fill(size_t first_size) {
    if (end_ == capacity_ || (begin_ == end_ && capacity_ < first_size)) {
        size_t used = end_ - begin_;
        size_t wanted = std::max(first_size, used * 2);
        auto larger = std::make_unique_for_overwrite<char[]>(wanted);
        if (used > 0) std::memcpy(larger.get(), data_.get() + begin_, used);
        data_ = std::move(larger);
        capacity_ = wanted;
        begin_ = 0;
        end_ = used;
    }
    std::span<char> free(data_.get() + end_, capacity_ - end_);
    size_t count = co_await stream_->read_some(std::as_writable_bytes(free));
    end_ += count;
    bytes_read_ += count;
    co_return count > 0;
}

async::Task<size_t> Wire::read_some(std::span<std::byte> into) {
    size_t count = std::min(into.size(), end_ - begin_);
    if (count > 0) {
        std::memcpy(into.data(), data_.get() + begin_, count);
        consume(count);
        co_return count;
    }
    count = co_await stream_->read_some(into);
    bytes_read_ += count;
    co_return count;
}

void Wire::shrink() {
    if (begin_ != end_) return;
    data_.reset();
    capacity_ = begin_ = end_ = 0;
}

std::unique_ptr<async::Stream> Wire::release() {
    std::string before(buffered());
    begin_ = end_ = 0;
    shrink();
    return async::with_prefix(std::move(before), std::move(stream_));
}

BodyReader::BodyReader(Wire& wire, const Framing& framing, BodyOf side)
    : wire_(wire), framing_(framing), side_(side), at_end_(framing.kind == Framing::Kind::none) {
    if (has_length()) remaining_ = framing.length;
}

async::Task<size_t> BodyReader::read_some(std::span<std::byte> into) {
    if (at_end_ || into.empty()) co_return 0;
    if (broken_) throw Error(ErrorKind::unavailable, "the body was malformed or cut off");
    size_t count = 0;
    switch (framing_.kind) {
        case Framing::Kind::none: break;
        case Framing::Kind::until_close:
            count = co_await wire_.read_some(into);
            at_end_ = count == 0;
            break;
        case Framing::Kind::length:
            into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), remaining_)));
            count = co_await wire_.read_some(into);
            if (count == 0) fail_cut_off();
            remaining_ -= count;
            at_end_ = remaining_ == 0;
            break;
        case Framing::Kind::chunked: count = co_await read_chunked(into); break;
    }
    bytes_read_ += count;
    co_return count;
}

async::Task<size_t> BodyReader::read_chunked(std::span<std::byte> into) {
    if (!decoder_) decoder_ = std::make_unique<ChunkDecoder>();
    while (true) {
        std::string_view text = wire_.buffered();
        ChunkDecoder::Step step;
        try {
            if (!text.empty()) step = decoder_->decode(text, into);
        } catch (const Error& error) {
            fail_malformed(error.what());
        }
        wire_.consume(step.consumed);
        at_end_ = decoder_->at_end();
        if (step.produced > 0 || at_end_) co_return step.produced;
        // Only a line between chunks or the trailers can be incomplete here.
        if (wire_.buffered().size() > kMaxFraming) fail_malformed("a line between chunks is too long");
        bool more = co_await wire_.fill(kChunkBuffer);
        if (!more) fail_cut_off();
    }
}

void BodyReader::fail_malformed(std::string_view what) {
    broken_ = true;
    if (side_ == BodyOf::request)
        throw make_error(ErrorKind::invalid_argument, "malformed chunked encoding: {}", what);
    throw make_error(ErrorKind::unavailable, "malformed HTTP response: chunked encoding: {}", what);
}

void BodyReader::fail_cut_off() {
    broken_ = true;
    if (has_length())
        throw make_error(ErrorKind::unavailable, "unexpected EOF: {} of {} bytes of the body", bytes_read_,
                         framing_.length);
    throw make_error(ErrorKind::unavailable, "unexpected EOF: the body has no end after {} bytes",
                     bytes_read_);
}

}  // namespace berth::http

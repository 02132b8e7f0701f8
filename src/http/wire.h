// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "async/stream.h"
#include "http/chunk_decoder.h"
#include "http/head.h"

namespace berth::http {

/// A stream with the bytes that were read ahead of it. The buffer exists while there is something in it: an
/// idle connection has none.
class Wire {
  public:
    explicit Wire(std::unique_ptr<async::Stream> stream) : stream_(std::move(stream)) {}

    async::Stream& stream() { return *stream_; }
    std::string_view buffered() const { return {data_.get() + begin_, end_ - begin_}; }
    void consume(size_t count);
    /// Reads once, behind what is buffered; false at the end of the stream. The buffer has `first_size` bytes
    /// at least, and doubles when it is full.
    async::Task<bool> fill(size_t first_size);
    /// The buffered bytes first (where there are some, only these), else straight from the stream.
    async::Task<size_t> read_some(std::span<std::byte> into);
    /// Gives the buffer back where it is empty.
    void shrink();

    uint64_t bytes_read() const { return bytes_read_; }

    /// The stream with what was read ahead put before it. The wire is empty then.
    std::unique_ptr<async::Stream> release();

  private:
    std::unique_ptr<async::Stream> stream_;
    std::unique_ptr<char[]> data_;
    size_t capacity_ = 0, begin_ = 0, end_ = 0;
    uint64_t bytes_read_ = 0;
};

/// Whose body it is decides how its faults are told: a client's are invalid_argument (and end in a 400), a
/// server's are unavailable. A body that is cut off is unavailable on both sides.
enum class BodyOf { request, response };

/// Reads one body off a wire and stops at its last byte.
class BodyReader {
  public:
    BodyReader(Wire& wire, const Framing& framing, BodyOf side);

    /// 0 at the end, and again 0 after it.
    async::Task<size_t> read_some(std::span<std::byte> into);
    bool at_end() const { return at_end_; }
    /// After a malformed or cut off body: nothing behind it on the wire can be understood.
    bool is_broken() const { return broken_; }
    /// Of a body with a known length: what is still to come.
    uint64_t remaining() const { return remaining_; }
    bool has_length() const { return framing_.kind == Framing::Kind::length; }
    uint64_t bytes_read() const { return bytes_read_; }

  private:
    async::Task<size_t> read_chunked(std::span<std::byte> into);
    [[noreturn]] void fail_malformed(std::string_view what);
    [[noreturn]] void fail_cut_off();

    Wire& wire_;
    Framing framing_;
    BodyOf side_;
    uint64_t remaining_ = 0;                 ///< of a body with a length
    std::unique_ptr<ChunkDecoder> decoder_;  ///< of a chunked one
    bool at_end_ = false;
    bool broken_ = false;
    uint64_t bytes_read_ = 0;
};

}  // namespace berth::http

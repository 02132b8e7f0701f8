// SPDX-License-Identifier: Apache-2.0
#include "store/gzip_source.h"

#include "base/error.h"

namespace berth::store {

namespace {

constexpr size_t kInput = 256 * 1024;

// RFC 1952, section 2.3.1.
constexpr unsigned kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0;

[[noreturn]] void fail(const char* what) {
    throw Error(ErrorKind::invalid_argument, what);
}

}  // namespace

GzipSource::GzipSource(sys::ByteSource& from, std::unique_ptr<Inflater> inflater)
    : from_(from),
      inflater_(std::move(inflater)),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kInput)) {}

bool GzipSource::fill() {
    input_ = {buffer_.get(), from_.read({buffer_.get(), kInput})};
    return !input_.empty();
}

std::byte GzipSource::next_byte() {
    if (input_.empty() && !fill()) fail("the gzip stream is cut off");
    std::byte value = input_.front();
    input_ = input_.subspan(1);
    return value;
}

/// False at the end of the stream.
bool GzipSource::read_header() {
    if (input_.empty() && !fill()) {
        if (!had_member_) fail("the gzip stream is cut off");
        return false;
    }
    auto number = [&] { return std::to_integer<unsigned>(next_byte()); };
    auto skip_text = [&] {
        while (next_byte() != std::byte{0}) {
        }
    };
    if (number() != 0x1f || number() != 0x8b)
        fail(had_member_ ? "there is garbage behind the gzip stream" : "not a gzip stream");
    if (number() != 8) fail("a gzip stream of an unknown method");
    unsigned flags = number();
    if (flags & kReserved) fail("a gzip stream with unknown flags");
    for (int i = 0; i < 6; ++i) next_byte();  // time, extra flags, system
    if (flags & kExtra) {
        unsigned length = number();
        length |= number() << 8;
        for (; length > 0; --length) next_byte();
    }
    if (flags & kName) skip_text();
    if (flags & kComment) skip_text();
    if (flags & kHeaderCrc) {
        next_byte();
        next_byte();
    }
    inflater_->reset();
    length_ = 0;
    more_output_ = false;
    in_member_ = had_member_ = true;
    return true;
}

void GzipSource::read_trailer() {
    std::span<const std::byte> surplus = inflater_->surplus();
    auto number = [&] {
        uint32_t value = 0;
        for (unsigned shift = 0; shift < 32; shift += 8) {
            std::byte byte = surplus.empty() ? next_byte() : surplus.front();
            if (!surplus.empty()) surplus = surplus.subspan(1);
            value |= std::to_integer<uint32_t>(byte) << shift;
        }
        return value;
    };
    if (number() != inflater_->crc()) fail("corrupt gzip data: its CRC is wrong");
    if (number() != length_) fail("corrupt gzip data: its length is wrong");
    in_member_ = false;
}

size_t GzipSource::read(std::span<std::byte> into) {
    while (!ended_ && !into.empty()) {
        if (!in_member_) {
            ended_ = !read_header();
            continue;
        }
        if (input_.empty() && !more_output_ && !fill()) fail("the gzip stream is cut off");
        Inflater::Step step = inflater_->step(input_, into);
        input_ = input_.subspan(step.consumed);
        length_ += static_cast<uint32_t>(step.produced);
        more_output_ = step.produced == into.size();
        if (step.consumed == 0 && step.produced == 0 && !step.ended && !input_.empty())
            fail("corrupt gzip data");
        if (step.ended) read_trailer();
        if (step.produced > 0) return step.produced;
    }
    return 0;
}

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/line_source.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

constexpr size_t kFirstBuffer = size_t{64} * 1024;
constexpr size_t kBuffer = size_t{512} * 1024;
/// A record's text takes at most 96 KiB, so what is longer than this (attributes included) is garbage.
constexpr size_t kLongestLine = size_t{8} * 1024 * 1024;

/// pread from the start, so that the descriptor's own offset is left alone.
class PreadSource : public sys::ByteSource {
  public:
    explicit PreadSource(int fd) : fd_(fd) {}
    size_t read(std::span<std::byte> into) override {
        ssize_t got = sys::retry([&] { return ::pread(fd_, into.data(), into.size(), offset_); });
        sys::check(got, "read a compressed log");
        offset_ += got;
        return static_cast<size_t>(got);
    }

  private:
    int fd_;
    off_t offset_ = 0;
};

}  // namespace

LineSource::LineSource(int fd, bool compressed) : fd_(fd) {
    if (!compressed) return;
    file_ = std::make_unique<PreadSource>(fd);
    decompressor_ = store::make_decompressor(*file_, store::Compression::gzip);
}

void LineSource::seek(uint64_t from, uint64_t to) {
    read_to_ = from;
    end_ = to;
    filled_ = 0;
    taken_ = 0;
    skipping_ = false;
}

void LineSource::make_room() {
    if (buffer_ == nullptr) {
        buffer_ = std::make_unique_for_overwrite<char[]>(kFirstBuffer);
        capacity_ = kFirstBuffer;
    }
    if (taken_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + taken_, filled_ - taken_);
        filled_ -= taken_;
        taken_ = 0;
    }
    if (filled_ < capacity_ && (capacity_ >= kBuffer || !filled_it_)) return;
    if (capacity_ >= kLongestLine) {
        filled_ = 0;
        skipping_ = true;
        return;
    }
    size_t capacity = std::max(capacity_ * 2, kBuffer);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    std::memcpy(larger.get(), buffer_.get(), filled_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
}

void LineSource::idle() {
    if (filled_ != taken_) return;
    buffer_.reset();
    capacity_ = filled_ = taken_ = 0;
    filled_it_ = false;
}

size_t LineSource::fill() {
    make_room();
    size_t room = capacity_ - filled_;
    char* into = buffer_.get() + filled_;
    size_t got = 0;
    if (decompressor_) {
        try {
            got = decompressor_->read({reinterpret_cast<std::byte*>(into), room});
        } catch (const Error& error) {
            // Cut off or garbled: what came before is good, and other files may be.
            if (error.kind() != ErrorKind::invalid_argument) throw;
        }
    } else {
        room = static_cast<size_t>(std::min<uint64_t>(room, end_ - std::min(end_, read_to_)));
        if (room == 0) return 0;
        ssize_t result = sys::retry([&] { return ::pread(fd_, into, room, static_cast<off_t>(read_to_)); });
        got = static_cast<size_t>(sys::check(result, "read a log"));
    }
    filled_ += got;
    filled_it_ = got == room;
    read_to_ += got;
    return got;
}

std::string_view LineSource::next_block() {
    size_t searched = filled_ - taken_;
    while (fill() > 0) {
        if (skipping_) {
            const void* newline = std::memchr(buffer_.get(), '\n', filled_);
            if (newline == nullptr) {
                taken_ = filled_;
                searched = 0;
                continue;
            }
            taken_ = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.get()) + 1;
            skipping_ = false;
            searched = 0;
        }
        char* start = buffer_.get() + taken_;
        const void* newline = ::memrchr(start + searched, '\n', filled_ - taken_ - searched);
        if (newline == nullptr) {
            searched = filled_ - taken_;
            continue;
        }
        size_t length = static_cast<size_t>(static_cast<const char*>(newline) - start) + 1;
        block_offset_ = read_to_ - (filled_ - taken_);
        taken_ += length;
        return {start, length};
    }
    return {};
}

}  // namespace berth::engine

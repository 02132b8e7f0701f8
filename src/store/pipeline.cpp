// SPDX-License-Identifier: Apache-2.0
#include "store/pipeline.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>

namespace berth::store {

ReadAhead::ReadAhead(sys::ByteSource& from, size_t buffers, size_t buffer_size)
    : from_(from), buffer_size_(buffer_size), ring_(buffers) {
    for (Buffer& buffer : ring_) buffer.data = std::make_unique_for_overwrite<std::byte[]>(buffer_size);
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "read-ahead");
}

ReadAhead::~ReadAhead() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    emptied_changed_.notify_one();
    thread_.join();
}

/// False at the end. One read: what is there already is not kept from the reader.
bool ReadAhead::fill(Buffer& buffer) {
    buffer.size = from_.read({buffer.data.get(), buffer_size_});
    return buffer.size != 0;
}

void ReadAhead::run() noexcept {
    size_t filled = 0;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            emptied_changed_.wait(lock, [&] { return stopped_ || filled - emptied_ < ring_.size(); });
            if (stopped_) return;
        }
        bool more = false;
        std::exception_ptr failure;
        try {
            more = fill(ring_[filled % ring_.size()]);
        } catch (...) {
            failure = std::current_exception();
        }
        {
            std::lock_guard lock(mutex_);
            if (more) filled_ = ++filled;
            ended_ = !more;
            failure_ = std::move(failure);
        }
        filled_changed_.notify_one();
        if (!more) return;
    }
}

size_t ReadAhead::read(std::span<std::byte> into) {
    if (into.empty()) return 0;
    size_t first = 0;
    {
        std::unique_lock lock(mutex_);
        filled_changed_.wait(lock, [&] { return filled_ != emptied_ || ended_; });
        if (filled_ == emptied_) {
            if (failure_) std::rethrow_exception(failure_);
            return 0;
        }
        first = emptied_;
    }
    Buffer& buffer = ring_[first % ring_.size()];
    size_t count = std::min(into.size(), buffer.size - offset_);
    std::memcpy(into.data(), buffer.data.get() + offset_, count);
    offset_ += count;
    if (offset_ == buffer.size) {
        offset_ = 0;
        {
            std::lock_guard lock(mutex_);
            ++emptied_;
        }
        emptied_changed_.notify_one();
    }
    return count;
}

UnpackedLayer unpack_compressed(sys::ByteSource& compressed, Compression compression, int root,
                                const UnpackOptions& options) {
    std::unique_ptr<sys::ByteSource> decompressed = make_decompressor(compressed, compression);
    // Hashing beside inflating: writing files takes about as long as both.
    HashingSource hashed(*decompressed);
    UnpackedLayer layer;
    {
        ReadAhead ahead(hashed);
        layer.result = unpack(ahead, root, options);
    }
    layer.diff_id = hashed.digest();
    layer.tar_size = hashed.count();
    return layer;
}

}  // namespace berth::store

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "store/compression.h"
#include "store/unpack.h"
#include "sys/byte_stream.h"

namespace berth::store {

/// Reads ahead in a thread of its own, so that what makes the bytes (inflating) runs beside what uses them
/// (writing files). Bytes come out as they came in; so does an exception, when the bytes before it have been
/// read. The inner source is used by that thread alone from construction to destruction.
class ReadAhead : public sys::ByteSource {
  public:
    static constexpr size_t kBuffers = 4, kBufferSize = 256 * 1024;

    /// Borrows `from`.
    explicit ReadAhead(sys::ByteSource& from, size_t buffers = kBuffers, size_t buffer_size = kBufferSize);
    /// Waits until a read of the inner source that is in progress has ended.
    ~ReadAhead() override;
    size_t read(std::span<std::byte> into) override;

  private:
    struct Buffer {
        std::unique_ptr<std::byte[]> data;
        size_t size = 0;
    };

    void run() noexcept;
    bool fill(Buffer& buffer);

    sys::ByteSource& from_;
    const size_t buffer_size_;

    std::mutex mutex_;
    std::condition_variable filled_changed_, emptied_changed_;
    // mutex_ guards these. Buffers [emptied_, filled_) (modulo their number) belong to the reader, the others
    // to the thread.
    size_t filled_ = 0, emptied_ = 0;
    bool ended_ = false, stopped_ = false;
    std::exception_ptr failure_;

    std::vector<Buffer> ring_;
    size_t offset_ = 0;  ///< the reader's, in its first buffer
    std::thread thread_;
};

/// A layer out of its compressed bytes, and what it was: one thread decompresses and hashes, the caller's one
/// unpacks.
struct UnpackedLayer {
    Digest diff_id;
    uint64_t tar_size = 0;
    UnpackResult result;
};
/// Reads `compressed` to its end, in another thread. Not settled.
UnpackedLayer unpack_compressed(sys::ByteSource& compressed, Compression compression, int root,
                                const UnpackOptions& options);

}  // namespace berth::store

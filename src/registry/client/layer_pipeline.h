// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "async/context.h"
#include "base/digest.h"
#include "store/blobs.h"
#include "store/unpack.h"
#include "sys/byte_stream.h"

namespace berth::registry {

/// The blob is not what its digest says.
class DigestMismatch : public Error {
  public:
    explicit DigestMismatch(const Digest& wanted)
        : Error(ErrorKind::invalid_argument,
                "filesystem layer verification failed for digest " + wanted.text()) {}
};

/// What becomes of a layer's bytes while they come:
///
///     ingest file -> SHA-256 -> inflate -> ring of buffers -> SHA-256 (diff id) -> untar
///     `-------------- read ahead thread -------------'        `--- layer's thread --'
///
/// Lives in one thread, which run() occupies; stop() and consumed() may be called from others.
class LayerPipeline {
  public:
    struct Input {
        std::shared_ptr<store::Ingest> ingest;  ///< a blob on its way in, or
        UniqueFd file;                          ///< one that is there
        Digest digest;
        uint64_t size = 0;
        Digest diff_id;
        uint64_t max_unpacked = UINT64_MAX;
    };
    /// `verified` is called once, from the reading thread, when all bytes have been read and have the right
    /// digest. `progress` at times from the unpacking one.
    LayerPipeline(Input input, std::function<void()> verified, std::function<void()> progress);

    /// Unpacks into `root`; with a root of -1 only verifies. Throws DigestMismatch, invalid_argument for a
    /// layer that can't be unpacked though its digest is right, and whatever Ingest::fail was given.
    store::UnpackResult run(int root);
    /// Makes run() end soon with an error.
    void stop();
    /// Compressed bytes that have been read.
    uint64_t consumed() const { return consumed_.load(std::memory_order_relaxed); }

  private:
    class Source;
    store::UnpackResult unpack_from(Source& source, int root);
    Input input_;
    std::function<void()> verified_, progress_;
    std::atomic<uint64_t> consumed_{0};
    std::atomic<bool> stopped_{false};
};

/// How much a layer of `compressed` bytes may unpack to: a thousand times as much (gzip's limit, near
/// enough), at least 1 GiB, and never more than is free on the file system of `root`.
uint64_t unpack_limit(uint64_t compressed, int root);

/// A thread that a coroutine waits for. Its end makes `stop` be called, and waits for the thread.
class WorkThread {
  public:
    WorkThread(async::Context& context, std::function<void()> work, std::function<void()> stop);
    ~WorkThread();
    WorkThread(const WorkThread&) = delete;
    WorkThread& operator=(const WorkThread&) = delete;

    /// Throws what `work` threw.
    async::Task<void> wait();

  private:
    struct Outcome;
    std::shared_ptr<Outcome> outcome_;
    std::function<void()> stop_;
    std::thread thread_;
};

}  // namespace berth::registry

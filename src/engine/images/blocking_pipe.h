// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "async/stream.h"
#include "base/unique_fd.h"
#include "sys/byte_stream.h"

/// Bytes between a coroutine and work on a thread of the pool that reads or writes them blocking: a socket
/// pair, so that either side waits for the other, and whichever ends first lets the other know.
namespace berth::engine {

/// The blocking side of bytes that a coroutine writes. Where that went away without complete() a read throws
/// unavailable, so that what was cut off is not taken for whole.
class PipeSource : public sys::ByteSource {
  public:
    PipeSource(UniqueFd fd, std::shared_ptr<const std::atomic<bool>> complete)
        : fd_(std::move(fd)), complete_(std::move(complete)) {}
    size_t read(std::span<std::byte> into) override;

  private:
    UniqueFd fd_;
    std::shared_ptr<const std::atomic<bool>> complete_;
};

/// The blocking side of bytes that a coroutine reads. A write throws unavailable once nobody reads.
class PipeSink : public sys::ByteSink {
  public:
    explicit PipeSink(UniqueFd fd) : fd_(std::move(fd)) {}
    void write(std::span<const std::byte> data) override;

  private:
    UniqueFd fd_;
};

struct FeedPipe {
    std::unique_ptr<async::Stream> writer;  ///< close it (destroy it) at the end
    std::shared_ptr<std::atomic<bool>> complete;
    std::unique_ptr<PipeSource> source;
};
FeedPipe make_feed_pipe(async::Context& context);

struct DrainPipe {
    std::unique_ptr<async::Stream> reader;
    std::unique_ptr<PipeSink> sink;  ///< destroyed: the reader sees the end
};
DrainPipe make_drain_pipe(async::Context& context);

}  // namespace berth::engine

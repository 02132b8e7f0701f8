// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/blobs.h"
#include "sys/byte_stream.h"

namespace berth::store {

/// Writes to an ingest from its start on; borrows it. Its size must not be known yet, or be what is written.
class IngestSink : public sys::ByteSink {
  public:
    explicit IngestSink(Ingest& ingest) : ingest_(ingest) {}
    void write(std::span<const std::byte> data) override {
        ingest_.write_at(offset_, data);
        offset_ += data.size();
    }

  private:
    Ingest& ingest_;
    uint64_t offset_ = 0;
};

}  // namespace berth::store

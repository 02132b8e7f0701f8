// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "store/compression.h"
#include "sys/byte_stream.h"

namespace berth::engine {

/// Whole lines of a log's file, block by block, straight from the page cache or from a decompressor.
/// Blocking.
///
/// pread(2) and not mmap(2): a log with one file is emptied in place, and a mapping would then be a SIGBUS.
class LineSource {
  public:
    /// `fd` is borrowed. A compressed file is read from its start; a torn one ends where it is torn.
    LineSource(int fd, bool compressed);

    /// Offsets in what is not compressed; [from, to) shall be read. Not for a compressed file.
    void seek(uint64_t from, uint64_t to);
    /// As many whole lines as are there, each with its newline; a part of one at the end is kept for the next
    /// call. Empty: nothing more is there by now. Valid until the next call.
    std::string_view next_block();
    /// Where the block that next_block() gave begins (in the uncompressed file).
    uint64_t block_offset() const { return block_offset_; }
    /// Where the next block will begin, once there are lines.
    uint64_t offset() const { return read_to_ - (filled_ - taken_); }
    /// Where reading will go on: behind offset() by what there is of an unfinished line.
    uint64_t read_to() const { return read_to_; }

    /// Gives the buffer back where nothing is in it: for followers that have nothing to read.
    void idle();

  private:
    size_t fill();
    void make_room();

    int fd_;
    std::unique_ptr<sys::ByteSource> file_;
    std::unique_ptr<sys::ByteSource> decompressor_;
    uint64_t read_to_ = 0;  ///< offset of what will be read next
    uint64_t end_ = UINT64_MAX;
    std::unique_ptr<char[]> buffer_;
    size_t capacity_ = 0;
    size_t filled_ = 0;
    size_t taken_ = 0;        ///< of `filled_`, what was given out
    bool filled_it_ = false;  ///< the last read took all the room: more is there
    uint64_t block_offset_ = 0;
    bool skipping_ = false;  ///< in a line that is too long to be one
};

}  // namespace berth::engine

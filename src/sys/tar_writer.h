// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/byte_stream.h"
#include "sys/tar_reader.h"

namespace berth::sys {

/// What a file of this st_mode is in an archive. A socket, which archives don't know: a file.
TarType tar_type(mode_t mode);

/// Writes tar as Go's archive/tar does for layers: ustar where it fits, else a PAX header with sorted
/// records. The same calls give the same bytes. Never writes more or less data than a header said (throws
/// internal). Headers and small files are gathered: the sink has everything only after finish().
class TarWriter {
  public:
    /// Borrows `sink`.
    explicit TarWriter(ByteSink& sink) : sink_(sink) {}
    /// Starts an entry; its data (of a sparse header: written dense) follows with write(). Of `header` path
    /// has no trailing '/'.
    void add(const TarHeader& header);
    void write(std::span<const std::byte> data);
    /// A whole small file: header.size is taken from `content`.
    void add_file(const TarHeader& header, std::string_view content);
    /// The two zero blocks. Nothing may follow.
    void finish();

  private:
    void put(std::string_view data);
    void flush();
    void end_entry();

    ByteSink& sink_;
    std::string pending_;
    uint64_t left_ = 0;
    uint32_t padding_ = 0;
    bool finished_ = false;
};

}  // namespace berth::sys

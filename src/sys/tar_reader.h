// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sys/byte_stream.h"

namespace berth::sys {

enum class TarType { file, hard_link, symlink, char_device, block_device, directory, fifo };

struct TarTime {
    int64_t seconds = 0;
    uint32_t nanoseconds = 0;  ///< below 10⁹, also before 1970

    auto operator<=>(const TarTime&) const = default;
};

/// One entry's header, whatever format it came in.
struct TarHeader {
    std::string path;  ///< as in the archive, only a trailing '/' taken off; hostile
    TarType type = TarType::file;
    std::string link_target;
    uint32_t mode = 0;  ///< permission bits with setuid, setgid and sticky, no type
    uint32_t uid = 0, gid = 0;
    std::string uname, gname;
    uint64_t size = 0;  ///< of the file, holes included
    TarTime mtime;
    std::optional<TarTime> atime, ctime;
    uint32_t dev_major = 0, dev_minor = 0;      ///< at most 12 and 20 bits, as the kernel has them
    std::map<std::string, std::string> xattrs;  ///< SCHILY.xattr.*
    /// Data areas of a sparse file (GNU 0.0, 0.1, 1.0 and old GNU), in order, not empty, within `size`.
    struct Segment {
        uint64_t offset, length;
    };
    std::vector<Segment> sparse;
    bool is_sparse = false;  ///< what is not in `sparse` is a hole
};

/// Reads tar: v7, ustar, PAX (POSIX.1-2001, with global headers), GNU (long names, base-256 numbers, sparse
/// files), star. Constant memory: extended headers of more than 1 MiB are refused. Anything malformed, a
/// wrong checksum or an end in the middle throws invalid_argument with the entry's number and name; an
/// archive that ends without its two zero blocks is accepted only directly after an entry's padding (as GNU
/// tar and Docker do). What follows the two zero blocks is not looked at. Types 'A' to 'Z' that are vendors'
/// own are skipped with their data; other unknown ones, and a file whose first part lies in another volume,
/// are refused. After an Error the reader can't go on.
class TarReader {
  public:
    /// Borrows `source`.
    explicit TarReader(ByteSource& source);
    TarReader(TarReader&&) noexcept;
    ~TarReader();

    /// The next entry, valid until the call after, or null at the end. What is left of the last entry's data
    /// is skipped.
    const TarHeader* next();
    /// Data of the present entry: of a sparse file only the data areas, one after the other. 0 at its end.
    size_t read(std::span<std::byte> into);
    /// As many bytes of the present entry's data as are buffered already (no copy), at least one and at most
    /// `limit`; empty at its end. Valid until the next call.
    std::span<const std::byte> read_view(size_t limit);
    /// Reads the source to its end (padding after the end mark), so that checksums cover every byte.
    void drain();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::sys

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/tar_reader.h"

/// The bytes of tar headers: where fields lie and how they are written. For the tar reader and writer only.
/// Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic
/// Tar Format".
namespace berth::sys::tar {

inline constexpr size_t kBlock = 512;
/// Extended headers, long names and maps of sparse files: more is refused.
inline constexpr uint64_t kMaxHeader = 1024 * 1024;

struct Field {
    size_t offset, size;
};

inline constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kMtime{136, 12}, kChecksum{148, 8}, kType{156, 1}, kLinkName{157, 100}, kMagic{257, 8}, kUname{265, 32},
    kGname{297, 32}, kDevMajor{329, 8}, kDevMinor{337, 8}, kPrefix{345, 155};
/// Old GNU.
inline constexpr Field kGnuAtime{345, 12}, kGnuCtime{357, 12}, kGnuRealSize{483, 12};
inline constexpr size_t kGnuSparse = 386, kGnuSparseCount = 4, kGnuIsExtended = 482;
inline constexpr size_t kGnuExtensionCount = 21, kGnuExtensionIsExtended = 504;
/// Schilling's tar.
inline constexpr Field kStarPrefix{345, 131}, kStarTrailer{508, 4};

inline constexpr std::string_view kMagicUstar{"ustar\0", 6}, kMagicGnu{"ustar  \0", 8};

inline std::string_view field(const char* block, Field where) {
    return {block + where.offset, where.size};
}

/// Up to the first NUL.
inline std::string_view text_field(const char* block, Field where) {
    std::string_view all = field(block, where);
    return all.substr(0, all.find('\0'));
}

/// Octal digits with blanks around, or base 256 (first bit set; two's complement). Blank: 0. Nothing if
/// malformed or more than 63 bits.
std::optional<int64_t> parse_numeric(std::string_view field);

/// Sums of a header's bytes, its checksum taken as blanks: unsigned as the standard has it, and signed as
/// some wrote it.
uint32_t checksum(const char* block);
int32_t signed_checksum(const char* block);
bool is_zero_block(const char* block);

/// "-1.5": seconds and a fraction of any length; nanoseconds are rounded down.
std::optional<TarTime> parse_pax_time(std::string_view text);
std::string print_pax_time(TarTime time);

/// The records of a PAX header; of repeated ones the last counts.
struct PaxRecords {
    std::map<std::string, std::string, std::less<>> values;
    /// GNU.sparse.offset and .numbytes (GNU's format 0.0), which come many times.
    std::vector<TarHeader::Segment> sparse;

    void clear() {
        values.clear();
        sparse.clear();
    }
};

/// Adds "<length> <key>=<value>\n"…, or throws invalid_argument.
void parse_pax(std::string_view data, PaxRecords& records);
std::string print_pax(const std::map<std::string, std::string>& records);

/// Numbers that `separator` ends, of a sparse map: offset, length, offset, length… Throws invalid_argument.
std::vector<TarHeader::Segment> parse_sparse_map(std::string_view text, char separator);

/// Checks that data areas are in order, apart, within `size`, and `data_size` in sum; takes empty ones out.
/// Throws invalid_argument.
void check_segments(std::vector<TarHeader::Segment>& segments, uint64_t size, uint64_t data_size);

}  // namespace berth::sys::tar

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::registry::server {

/// Half-open.
struct ByteRange {
    uint64_t begin = 0, end = 0;
    bool operator==(const ByteRange&) const = default;
};

enum class RangeKind {
    whole,          ///< no Range, or one that a server may ignore: malformed, another unit, several ranges
    part,           ///< 206
    unsatisfiable,  ///< 416
};

struct RangeAnswer {
    RangeKind kind = RangeKind::whole;
    ByteRange range;
};

/// What a Range field asks of `size` bytes (RFC 9110, 14.1.2 and 14.2).
RangeAnswer parse_range(std::string_view field, uint64_t size);

/// Content-Range of an upload's chunk: "<first>-<last>" (OCI distribution-spec, "Pushing a blob in chunks"),
/// also with "bytes " or "bytes=" before and "/<size>" behind it, which old clients send. Nothing where
/// malformed.
std::optional<ByteRange> parse_chunk_range(std::string_view field);

}  // namespace berth::registry::server

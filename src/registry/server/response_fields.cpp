// SPDX-License-Identifier: Apache-2.0
#include "registry/server/response_fields.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "registry/server/api_error.h"

namespace berth::registry::server {

namespace {

std::string etag(const Digest& digest) {
    return '"' + digest.text() + '"';
}

/// Quoted or not, weak or not: clients have sent all of these.
bool names(std::string_view entry, const Digest& digest) {
    entry = trim(entry);
    if (entry.starts_with("W/")) entry.remove_prefix(2);
    if (entry.size() >= 2 && entry.starts_with('"') && entry.ends_with('"'))
        entry = entry.substr(1, entry.size() - 2);
    return entry == digest.text() || entry == "*";
}

}  // namespace

void set_digest_fields(http::Response& response, const Digest& digest) {
    response.headers.set("Docker-Content-Digest", digest.text());
    response.headers.set("ETag", etag(digest));
}

void set_blob_fields(http::Response& response, const Digest& digest) {
    set_digest_fields(response, digest);
    response.headers.set("Content-Type", "application/octet-stream");
    response.headers.set("Cache-Control", "max-age=31536000");
    response.headers.set("Accept-Ranges", "bytes");
}

bool matches_etag(const http::Request& request, const Digest& digest) {
    for (std::string_view field : request.headers.all("If-None-Match"))
        for (std::string_view entry : split(field, ','))
            if (names(entry, digest)) return true;
    return false;
}

std::optional<ByteRange> requested_part(const http::Request& request, const Digest& digest, uint64_t size) {
    auto field = request.headers.find("Range");
    if (!field) return std::nullopt;
    if (auto condition = request.headers.find("If-Range"); condition && !names(*condition, digest))
        return std::nullopt;
    RangeAnswer answer = parse_range(*field, size);
    switch (answer.kind) {
        case RangeKind::whole: return std::nullopt;
        case RangeKind::part: return answer.range;
        case RangeKind::unsatisfiable: break;
    }
    throw ApiError(416, "RANGE_INVALID", "the blob has no such range")
        .with_header("Content-Range", fmt::format("bytes */{}", size));
}

void set_part_fields(http::Response& response, const ByteRange& range, uint64_t size) {
    response.status = 206;
    response.headers.set("Content-Range", fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, size));
}

}  // namespace berth::registry::server

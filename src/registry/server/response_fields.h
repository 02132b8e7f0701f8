// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/digest.h"
#include "http/server.h"
#include "registry/server/byte_range.h"

/// The header fields that answers about content share.
namespace berth::registry::server {

/// Docker-Content-Digest and ETag.
void set_digest_fields(http::Response& response, const Digest& digest);
/// Those of a blob: it never changes.
void set_blob_fields(http::Response& response, const Digest& digest);
/// Whether If-None-Match names the content (RFC 9110, 13.1.2): then 304.
bool matches_etag(const http::Request& request, const Digest& digest);
/// The part that Range asks for, where it is to be honoured (If-Range names the content). Throws ApiError
/// 416.
std::optional<ByteRange> requested_part(const http::Request& request, const Digest& digest, uint64_t size);
/// 206 and Content-Range.
void set_part_fields(http::Response& response, const ByteRange& range, uint64_t size);

}  // namespace berth::registry::server

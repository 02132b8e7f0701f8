// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

/// Heads of HTTP/1.1 messages (RFC 9112). Beast parses them; what it lets pass and another parser could read
/// in another way is refused on top, so that nothing can be smuggled past a proxy that stands before Berth.
/// Refused are: a line end that is not CRLF, blanks before the colon, folded lines, control characters, more
/// than one Content-Length (or one that is not a plain number), a Content-Length beside a Transfer-Encoding,
/// codings other than "chunked", and any of it in HTTP/1.0.
namespace berth::http {

struct RequestHead {
    std::string method, target;
    int minor_version = 1;  ///< HTTP/1.x
    Headers headers;
};

struct ResponseHead {
    int status = 0;
    int minor_version = 1;
    Headers headers;
};

/// How the end of a body is known.
struct Framing {
    enum class Kind { none, length, chunked, until_close } kind = Kind::none;
    uint64_t length = 0;
};

/// Finds the end of a head in bytes that come piece by piece.
class HeadFinder {
  public:
    /// `text` is all that has come, from the message's first byte. The length of the head with its empty
    /// line; nothing where more is needed. Throws StatusError 400 at a line end that is not CRLF.
    std::optional<size_t> find(std::string_view text);

  private:
    size_t scanned_ = 0;     ///< bytes that were looked at
    size_t line_start_ = 0;  ///< of the line that is not complete
};

constexpr size_t kMaxFields = 500;

/// `text` with its empty line at the end. Throws StatusError (400, 431, 501, 505).
RequestHead parse_request_head(std::string_view text);
Framing request_framing(const RequestHead& head);

/// Throws Error (unavailable, "malformed HTTP response …").
ResponseHead parse_response_head(std::string_view text);
/// `to_head`: the response answers a HEAD request.
Framing response_framing(const ResponseHead& head, bool to_head);

}  // namespace berth::http

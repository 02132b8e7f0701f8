// SPDX-License-Identifier: Apache-2.0
#include "http/head.h"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstring>
#include <limits>

#include "base/strings.h"

namespace berth::http {

namespace beast = boost::beast::http;

namespace {

[[noreturn]] void bad_request(std::string message) {
    throw StatusError(400, ErrorKind::invalid_argument, std::move(message));
}

/// The lines of a head without the first, each without its CRLF; Beast unfolds folded ones, so they are
/// refused before.
void refuse_folded_lines(std::string_view text) {
    for (size_t at = text.find("\r\n"); at != std::string_view::npos; at = text.find("\r\n", at + 2))
        if (at + 2 < text.size() && (text[at + 2] == ' ' || text[at + 2] == '\t'))
            bad_request("malformed header: folded line");
}

/// Parses `text`, all of a head; `error` tells what Beast thinks of it.
template <typename Parser>
void parse_head(Parser& parser, std::string_view text, boost::beast::error_code& error) {
    parser.header_limit(std::numeric_limits<uint32_t>::max());  // HeadFinder's caller holds a limit
    parser.body_limit(boost::none);
    size_t consumed = parser.put(boost::asio::buffer(text), error);
    if (!error && (!parser.is_header_done() || consumed != text.size())) error = beast::error::need_more;
}

Headers take_fields(const beast::fields& fields) {
    Headers headers;
    size_t count = 0;
    for (const auto& field : fields) {
        if (++count > kMaxFields)
            throw StatusError(431, ErrorKind::invalid_argument, "too many header fields");
        headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    return headers;
}

std::optional<uint64_t> parse_length(std::string_view text) {
    // from_chars takes no sign for unsigned types, nor blanks.
    return parse_number<uint64_t>(text);
}

}  // namespace

std::optional<size_t> HeadFinder::find(std::string_view text) {
    while (scanned_ < text.size()) {
        const void* found = std::memchr(text.data() + scanned_, '\n', text.size() - scanned_);
        if (found == nullptr) {
            scanned_ = text.size();
            return std::nullopt;
        }
        size_t end = static_cast<size_t>(static_cast<const char*>(found) - text.data());
        if (end == line_start_ || text[end - 1] != '\r')
            bad_request("malformed HTTP message: a bare line feed");
        bool empty = end == line_start_ + 1;
        scanned_ = line_start_ = end + 1;
        if (empty) return scanned_;
    }
    return std::nullopt;
}

RequestHead parse_request_head(std::string_view text) {
    refuse_folded_lines(text);
    beast::request_parser<beast::empty_body> parser;
    boost::beast::error_code error;
    parse_head(parser, text, error);
    if (error == beast::error::bad_version) {
        std::string_view line = text.substr(0, text.find("\r\n"));
        std::string_view version = line.substr(line.rfind(' ') + 1);
        // Not where it is a blank in the target that leaves "b HTTP/1.1" as the version.
        if (version.starts_with("HTTP/") && std::ranges::count(line, ' ') == 2)
            throw StatusError(505, ErrorKind::invalid_argument,
                              "unsupported protocol version " + quote(version));
    }
    if (error == beast::error::bad_transfer_encoding) bad_request("bad Transfer-Encoding");
    if (error) bad_request("malformed HTTP request: " + error.message());
    RequestHead head;
    head.method = std::string(parser.get().method_string());
    head.target = std::string(parser.get().target());
    head.minor_version = static_cast<int>(parser.get().version() % 10);
    head.headers = take_fields(parser.get());
    size_t hosts = head.headers.all("Host").size();
    if (hosts > 1) bad_request("too many Host headers");
    if (hosts == 0 && head.minor_version > 0) bad_request("missing required Host header");
    return head;
}

Framing request_framing(const RequestHead& head) {
    auto codings = head.headers.all("Transfer-Encoding");
    auto lengths = head.headers.all("Content-Length");
    Framing framing;
    if (!codings.empty()) {
        if (!lengths.empty()) bad_request("both Content-Length and Transfer-Encoding");
        if (head.minor_version == 0) bad_request("Transfer-Encoding in an HTTP/1.0 request");
        if (codings.size() > 1) bad_request("too many transfer encodings");
        if (!same_name(codings[0], "chunked"))
            throw StatusError(501, ErrorKind::not_implemented,
                              "unsupported transfer encoding: " + quote(codings[0]));
        framing.kind = Framing::Kind::chunked;
        return framing;
    }
    if (lengths.empty()) return framing;
    auto length = parse_length(lengths[0]);
    if (lengths.size() > 1) bad_request("more than one Content-Length");
    if (!length) bad_request("bad Content-Length " + quote(lengths[0]));
    framing.kind = *length == 0 ? Framing::Kind::none : Framing::Kind::length;
    framing.length = *length;
    return framing;
}

ResponseHead parse_response_head(std::string_view text) {
    auto fail = [text](std::string_view why) {
        return make_error(ErrorKind::unavailable, "malformed HTTP response {}: {}",
                          quote(text.substr(0, std::min<size_t>(text.find("\r\n"), 80))), why);
    };
    beast::response_parser<beast::empty_body> parser;
    boost::beast::error_code error;
    ResponseHead head;
    try {
        refuse_folded_lines(text);
        parse_head(parser, text, error);
        if (!error) head.headers = take_fields(parser.get());
    } catch (const StatusError& refused) {
        throw fail(refused.what());  // the status is for clients that send the like
    }
    if (error) throw fail(error.message());
    head.status = static_cast<int>(parser.get().result_int());
    head.minor_version = static_cast<int>(parser.get().version() % 10);
    return head;
}

Framing response_framing(const ResponseHead& head, bool to_head) {
    Framing framing;
    auto codings = head.headers.all("Transfer-Encoding");
    auto lengths = head.headers.all("Content-Length");
    std::optional<uint64_t> length;
    for (std::string_view text : lengths) {
        auto each = parse_length(text);
        // Servers behind proxies repeat themselves; a contradiction would let a response be read in two ways.
        if (!each || (length && *length != *each))
            throw make_error(ErrorKind::unavailable, "malformed HTTP response: bad Content-Length {}",
                             quote(text));
        length = each;
    }
    framing.length = length.value_or(0);
    if (to_head || head.status < 200 || head.status == 204 || head.status == 304) return framing;
    if (!codings.empty()) {
        if (length || codings.size() > 1 || !same_name(codings[0], "chunked"))
            throw make_error(ErrorKind::unavailable,
                             "malformed HTTP response: unsupported transfer encoding {}", quote(codings[0]));
        framing.kind = Framing::Kind::chunked;
        return framing;
    }
    framing.kind = !length        ? Framing::Kind::until_close
                   : *length == 0 ? Framing::Kind::none
                                  : Framing::Kind::length;
    return framing;
}

}  // namespace berth::http

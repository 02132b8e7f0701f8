// SPDX-License-Identifier: Apache-2.0
#include "http/chunk_decoder.h"

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/error.h"

namespace berth::http {

namespace beast = boost::beast::http;

struct ChunkDecoder::Parser : beast::response_parser<beast::buffer_body> {};

ChunkDecoder::ChunkDecoder() : parser_(std::make_unique<Parser>()) {
    // Beast decodes chunks as a part of a message. The real head was read before; this one says no more than
    // what follows.
    constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    parser_->body_limit(boost::none);
    boost::beast::error_code error;
    parser_->put(boost::asio::buffer(kHead), error);
    if (error) throw make_error(ErrorKind::internal, "chunked coding: {}", error.message());
    parser_->eager(true);
}

ChunkDecoder::~ChunkDecoder() = default;

ChunkDecoder::Step ChunkDecoder::decode(std::string_view in, std::span<std::byte> out) {
    // Beast asserts that a last chunk of which it has seen a part has grown to the shortest there is. Where
    // it is another chunk, more bytes are bound to follow as well.
    constexpr size_t kShortestEnd = std::string_view("0\r\n\r\n").size();
    if (starved_ && in.size() < kShortestEnd) return {};
    auto& body = parser_->get().body();
    body.data = out.data();
    body.size = out.size();
    body.more = true;
    boost::beast::error_code error;
    Step step;
    step.consumed = parser_->put(boost::asio::buffer(in), error);
    step.produced = out.size() - body.size;
    starved_ = step.consumed == 0;
    body.data = nullptr;
    body.size = 0;
    if (error && error != beast::error::need_more && error != beast::error::need_buffer)
        throw Error(ErrorKind::invalid_argument, error.message());
    return step;
}

bool ChunkDecoder::at_end() const {
    return parser_->is_done();
}

}  // namespace berth::http

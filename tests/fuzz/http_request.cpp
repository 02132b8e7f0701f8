// SPDX-License-Identifier: Apache-2.0
// Heads of requests and responses, and chunked bodies behind them.
#include <vector>

#include "http/chunk_decoder.h"
#include "http/head.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;

namespace {

struct Decoded {
    std::string text;
    bool at_end = false;
    size_t consumed = 0;
};

/// Decodes `in` as it comes over a network that gives `step` more bytes at a time.
Decoded decode(std::string_view in, size_t step, size_t room) {
    Decoded result;
    http::ChunkDecoder decoder;
    std::vector<std::byte> out(room);
    for (size_t available = std::min(step, in.size()); !result.at_end;) {
        http::ChunkDecoder::Step done;
        std::string_view ready = in.substr(result.consumed, available - result.consumed);
        if (!ready.empty()) {
            try {
                done = decoder.decode(ready, out);
            } catch (const Error& error) {
                require(error.kind() == ErrorKind::invalid_argument, "bad input is invalid_argument");
                break;
            }
        }
        require(done.consumed <= ready.size() && done.produced <= room, "a decoder keeps to its buffers");
        result.text.append(reinterpret_cast<const char*>(out.data()), done.produced);
        result.consumed += done.consumed;
        result.at_end = decoder.at_end();
        if (done.consumed > 0 || done.produced > 0) continue;
        if (available == in.size()) break;
        available = std::min(available + step, in.size());
    }
    return result;
}

void check_chunks(std::string_view body) {
    Decoded whole = decode(body, body.size() + 1, 4096), slow = decode(body, 1, 3);
    require(whole.at_end == slow.at_end, "how bytes come changes no verdict");
    if (!whole.at_end) return;
    require(whole.text == slow.text, "how bytes come changes no body");
    require(whole.consumed == slow.consumed, "a body ends where it ends");
}

void check_fields(const http::Headers& headers) {
    for (const auto& [name, value] : headers) {
        require(!name.empty() && name.find_first_of(" \t:\r\n") == std::string::npos, "names are tokens");
        require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
                "values are one line");
    }
}

std::string print(const http::RequestHead& head) {
    std::string text =
        head.method + " " + head.target + " HTTP/1." + std::to_string(head.minor_version) + "\r\n";
    for (const auto& [name, value] : head.headers) text += name + ": " + value + "\r\n";
    return text + "\r\n";
}

void check_request(std::string_view text) {
    http::RequestHead head = http::parse_request_head(text);
    check_fields(head.headers);
    http::RequestHead again = http::parse_request_head(print(head));
    require(print(again) == print(head), "what is printed is read back the same");
    http::Framing framing = http::request_framing(head);
    bool both = head.headers.find("Content-Length") && head.headers.find("Transfer-Encoding");
    require(!both, "no request has two framings");
    require(framing.kind != http::Framing::Kind::until_close, "a request has an end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = fuzz::as_text(data, size);
    std::optional<size_t> length;
    bool found = fuzz::is_valid([&] {
        http::HeadFinder whole, slow;
        length = whole.find(text);
        std::optional<size_t> same;
        for (size_t i = 1; i <= text.size() && !same; ++i) same = slow.find(text.substr(0, i));
        require(same == length, "how bytes come changes no head");
    });
    if (found && length) {
        std::string_view head = text.substr(0, *length);
        fuzz::succeeds([&] { check_request(head); });
        fuzz::succeeds([&] {
            http::ResponseHead response = http::parse_response_head(head);
            check_fields(response.headers);
            http::response_framing(response, false);
        });
        text.remove_prefix(*length);
    }
    check_chunks(text);
    return 0;
}

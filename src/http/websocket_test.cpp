// SPDX-License-Identifier: Apache-2.0
#include "http/websocket.h"

#include <algorithm>

#include "http/http_fixture.h"

namespace berth::http {
namespace {

/// A client's frame: masked, as RFC 6455 wants it.
std::string frame(int opcode, std::string_view payload, bool final = true, bool masked = true) {
    std::string text;
    text += static_cast<char>((final ? 0x80 : 0) | opcode);
    int mask_bit = masked ? 0x80 : 0;
    if (payload.size() < 126) {
        text += static_cast<char>(mask_bit | payload.size());
    } else {
        text += static_cast<char>(mask_bit | 127);
        for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(payload.size() >> shift);
    }
    constexpr std::string_view kMask = "\x12\x34\x56\x78";
    if (masked) text += kMask;
    for (size_t i = 0; i < payload.size(); ++i)
        text += masked ? static_cast<char>(payload[i] ^ kMask[i % 4]) : payload[i];
    return text;
}

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Sends back what comes, piece by piece, and says "end" at the client's.
async::Task<void> echo(Request& request, Response& response) {
    std::unique_ptr<async::Stream> stream =
        co_await accept_websocket(request, response, WebSocketPayload::binary);
    std::vector<std::byte> buffer(100'000);
    while (true) {
        co_await stream->wait_readable();
        size_t count = co_await stream->read_some(buffer);
        if (count == 0) break;
        co_await stream->write(std::span<const std::byte>(buffer).first(count));
    }
    co_await stream->shutdown_write();
}

class WebSocketTest : public testing::Test {
  protected:
    RunningServer server_{[](Request& request, Response& response) { return echo(request, response); }};
    RawClient client_{server_};
};

TEST_F(WebSocketTest, HandshakeOfTheSpecification) {
    client_.send(kHandshake);
    std::string head = client_.read_until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
    EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos) << head;
}

TEST_F(WebSocketTest, MessagesPingsAndTheClose) {
    client_.send(std::string(kHandshake) + frame(2, "early"));
    EXPECT_TRUE(
        client_.read_until("early").ends_with("\x82\x05"
                                              "early"));
    client_.send(frame(1, "split ", false));
    EXPECT_TRUE(client_.read_until("split ").ends_with("\x82\x06split "));
    client_.send(frame(9, "beat"));
    EXPECT_EQ(client_.read_until("beat"),
              "\x8a\x04"
              "beat");
    client_.send(frame(0, "", false) + frame(0, "message") + frame(10, ""));
    EXPECT_EQ(client_.read_until("message"), "\x82\x07message");
    client_.send(frame(8, "\x03\xe9"));
    EXPECT_EQ(client_.read_to_end(), "\x88\x02\x03\xe9") << "the code comes back";
}

TEST_F(WebSocketTest, LongMessages) {
    std::string text(70'000, '#');
    client_.send(std::string(kHandshake) + frame(2, text));
    std::string all = client_.read_until("\r\n\r\n");
    client_.send(frame(8, ""));
    all += client_.read_to_end();
    EXPECT_EQ(std::ranges::count(all, '#'), 70'000);
    EXPECT_TRUE(all.ends_with("\x88\x02\x03\xe8"));
}

TEST_F(WebSocketTest, WhatClientsMustNotSend) {
    std::string long_ping(126, 'p');
    for (const std::string& bad :
         {frame(2, "x", true, false), frame(3, "x"), frame(11, ""), frame(0, "x"), frame(9, "x", false),
          frame(9, long_ping), frame(1, "a", false) + frame(1, "b"), std::string("\xf2\x80", 2)}) {
        RawClient client(server_);
        client.send(std::string(kHandshake) + bad);
        std::string all = client.read_to_end();
        EXPECT_NE(all.find("\x88\x02\x03\xea"), std::string::npos) << "not told 1002";
    }
}

TEST_F(WebSocketTest, AnEndWithoutAClose) {
    client_.send(kHandshake);
    client_.end();
    EXPECT_TRUE(client_.read_to_end().ends_with("\x88\x02\x03\xe8"));
}

TEST_F(WebSocketTest, HandshakesThatAreRefused) {
    EXPECT_NE(client_.ask("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").find(" 400 "), std::string::npos);
    RawClient old(server_);
    std::string answer = old.ask(
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n");
    EXPECT_NE(answer.find(" 426 "), std::string::npos) << answer;
    RawClient key(server_);
    answer = key.ask(
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n");
    EXPECT_NE(answer.find(" 400 "), std::string::npos) << answer;
}

}  // namespace
}  // namespace berth::http

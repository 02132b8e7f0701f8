// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "async/stream.h"
#include "http/server.h"

/// The server's side of WebSockets (RFC 6455, version 13, no extensions).
namespace berth::http {

enum class WebSocketPayload { text, binary };

/// Whether the request asks for one.
bool wants_websocket(const Request& request);

/// Answers the handshake and gives a stream of the payloads: what is read are the bytes of the client's
/// messages one after the other, without their borders; each write() is one message of `payload`. Pings are
/// answered while somebody reads. The client's close is the end for reading; shutdown_write() sends ours.
/// What the client must not send (unmasked or reserved frames, control frames that are long or split) closes
/// with 1002, and reading fails. Messages may be of any length: none is ever held as a whole.
///
/// Throws StatusError before it has answered: 400 without a valid key, 426 for another version.
async::Task<std::unique_ptr<async::Stream>> accept_websocket(Request& request, Response& response,
                                                             WebSocketPayload payload);

}  // namespace berth::http

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/stream.h"

namespace berth::engine {

/// What the daemon copies itself between a client and a shim: a terminal's input, which is searched for
/// detach keys, and all of a client that is no bare socket (TLS, WebSocket). Runs on the stream context;
/// needs nothing of the daemon's state, and goes on until one of its ends is over.
struct RelayPlan {
    /// Belongs to the stream context.
    std::unique_ptr<async::Stream> client;
    /// Our end of a socket pair whose other end the shim has.
    std::unique_ptr<async::Stream> shim;
    bool input = false;   ///< client to shim
    bool output = false;  ///< shim to client; else the shim has a descriptor of the client's socket for that
    /// Instead of copying from the shim: writes all output to the client.
    std::function<async::Task<void>(async::Stream& client)> write_output;
    /// The client's end of sending ends its input alone; else it ends the session, output too.
    bool half_close = false;
    /// The bytes that end the session; nothing: all is passed on.
    std::optional<std::string> detach_keys;
    /// Called on the stream context's thread where they were typed.
    std::function<void()> detached;
};

async::Task<void> relay(RelayPlan plan);

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "async/stream.h"
#include "base/unique_fd.h"
#include "engine/logs/log_address.h"
#include "http/client.h"

namespace berth::engine {

/// A connected datagram socket, UDP or unix. Coroutines of one context.
class DatagramSocket {
  public:
    /// Throws unavailable.
    async::Task<void> connect(LogAddress address);
    bool connected() const { return static_cast<bool>(socket_); }
    void close() { socket_.reset(); }
    /// False: the datagram is too large, and always will be. Throws unavailable and closes.
    async::Task<bool> send(std::string_view data);

  private:
    UniqueFd socket_;
    std::string name_;
};

/// A connected byte stream to an endpoint that answers nothing, or little.
class EndpointStream {
  public:
    /// Where it is not connected, or the other side has closed. `tls` is used for tcp+tls and tls.
    async::Task<void> connect(LogAddress address, http::TlsClientOptions tls);
    /// Throws unavailable and closes.
    async::Task<void> send(std::string_view data);
    async::Task<size_t> read(std::string& into);
    /// The peer's kernel has all that was sent. Closes where the connection has failed.
    bool delivered();
    bool connected() const { return stream_ != nullptr; }
    void close() { stream_.reset(); }

  private:
    std::unique_ptr<async::Stream> stream_;
};

}  // namespace berth::engine

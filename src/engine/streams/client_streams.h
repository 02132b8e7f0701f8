// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "async/stream.h"
#include "base/unique_fd.h"
#include "shim/client.h"

namespace berth::engine {

/// What a client wants of a process's streams.
struct StreamWishes {
    bool in = false, out = false, err = false;
    /// The process has a terminal: one raw output, and detach keys count.
    bool tty = false;
    /// Outputs in frames with Docker's 8 byte headers; else raw.
    bool framed = false;
    /// The end of the client's sending ends its stdin alone; else the whole session, as dockerd does where
    /// stdin stays open for the next client.
    bool half_close = false;
    /// A client of a WebSocket can't end its sending alone: the end is its going away.
    bool websocket = false;
    std::string detach_keys;  ///< bytes; for a terminal
};

/// A hijacked connection on its way to a shim. The shim gets the client's own socket wherever possible, so
/// that no byte passes through the daemon and a restart of the daemon is not noticed:
///
///   unix or TCP     output: the socket itself
///                   input:  the socket itself; with a terminal, or where bytes were read ahead, by a relay
///                           (engine/streams/relay.h)
///   TLS, WebSocket  both by a relay
///
/// A relay ends with the daemon, and then the shim ends the session of a terminal, so that its user attaches
/// anew.
///
/// Of the control context's thread; relays run on the stream context. Destroying it before taken() closes the
/// connection.
class ClientStreams {
  public:
    /// `client` as Response::hijack() or accept_websocket() gave it. `detached` is called on the control
    /// context when the detach keys were typed.
    ClientStreams(async::Context& control, async::Context& streams, std::unique_ptr<async::Stream> client,
                  StreamWishes wishes, std::function<void()> detached = {});
    ClientStreams(const ClientStreams&) = delete;
    ClientStreams& operator=(const ClientStreams&) = delete;
    ~ClientStreams();

    const StreamWishes& wishes() const { return wishes_; }
    /// Whether there is anything to hand over.
    bool wants_any() const { return wishes_.in || wishes_.out || wishes_.err; }
    /// Returns when the client has read the response's head, after 100 ms at the latest. Some clients
    /// (python3-docker) read it through a buffer that they then forget: output that comes right behind it
    /// would be lost.
    async::Task<void> until_head_read();
    /// For AsyncClient::attach() or exec(); the descriptors are borrowed until taken().
    shim::Streams offer();
    /// The shim has them: nothing is kept but what a relay needs.
    void taken() { taken({}); }

    /// Writes to the client, on the stream context.
    using OutputWriter = std::function<async::Task<void>(async::Stream& client)>;
    /// As offer() and taken() where not the shim writes the output, but `write_output`. Nothing is offered
    /// where no input is wanted.
    shim::Streams offer_input();
    void taken(OutputWriter write_output);
    /// Runs `work` on the stream context, to write something before the rest.
    async::Task<void> write_first(OutputWriter work);

    /// Writes `text` as what the process would have written to stdout, and ends the connection.
    async::Task<void> end_with(std::string text);
    /// Ends when the client has closed its connection (a bare socket's only, else never).
    async::Task<void> until_client_gone();
    void close();

  private:
    void make_pair();
    std::unique_ptr<async::Stream> client_stream(async::Context& context);
    void keep(std::unique_ptr<async::Stream> client);

    async::Context& control_;
    async::Context& streams_;
    StreamWishes wishes_;
    std::function<void()> detached_;
    std::unique_ptr<async::Stream> stream_;  ///< where it is no bare socket
    UniqueFd socket_;                        ///< where it is one
    std::string before_;                     ///< read ahead of it
    UniqueFd ours_, theirs_;                 ///< a pair for a relay, from offer() on
};

}  // namespace berth::engine

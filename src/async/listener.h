// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "async/context.h"
#include "async/stream.h"
#include "base/unique_fd.h"

namespace berth::async {

/// A socket that listens. Destroying it closes it, and removes the file of a unix socket that it made.
class Listener {
  public:
    /// Binds and listens. A unix socket that nobody answers on is replaced; a new one has mode 0660. Throws
    /// with the address ("listen tcp 127.0.0.1:80: bind: address already in use").
    Listener(Context& context, const Address& address);
    /// A socket that listens already.
    Listener(Context& context, UniqueFd socket);
    ~Listener();

    /// With the real port.
    const Address& address() const;
    /// The next connection. Where the process is out of descriptors or memory it says so in the log, once,
    /// and goes on when there are some. Throws when the listener is closed or broken.
    Task<std::unique_ptr<Stream>> accept();
    /// Ends a pending accept().
    void close();

  private:
    struct State;
    static std::unique_ptr<Stream> try_make_stream(State& state, UniqueFd fd);

    std::shared_ptr<State> state_;
};

}  // namespace berth::async

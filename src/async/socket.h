// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/error.h"
#include "base/unique_fd.h"

/// What the streams are made of. For the sources of async/ and http/ alone: it shows Asio.
namespace berth::async {

enum class Direction { read, write };

/// A non-blocking socket of the loop. Streams call recv(2), send(2) and the like themselves, and wait() where
/// the kernel says EAGAIN: a transfer that never waits costs its system calls alone.
///
/// One timer serves both directions and is set only where a wait would end before it: a busy connection sets
/// none.
class Socket {
  public:
    using Clock = std::chrono::steady_clock;

    /// `fd` must be non-blocking. `peer` is for messages.
    Socket(const boost::asio::any_io_executor& executor, UniqueFd fd, std::string peer);
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket();

    int fd() const;
    const std::string& peer() const;
    boost::asio::any_io_executor executor() const;

    /// Ends pending waits. Twice is fine.
    void close();
    /// Throws where the socket is closed by us.
    void check_open(Direction direction) const;

    /// Until a transfer in `direction` is worth another try. Throws unavailable at the idle time-out or the
    /// deadline, and where close() was called.
    Task<void> wait(Direction direction);
    /// Until there is something to read; only the deadline limits it.
    Task<void> wait_idle();
    /// To be asked after each transfer. True now and then: yield() then lets other coroutines run.
    bool must_yield();
    Task<void> yield();

    /// A wait ends when no byte has moved for so long, in either direction: who waits for an answer while the
    /// question is still being sent is not idle.
    void set_idle_timeout(std::chrono::milliseconds limit);
    /// Holds for a wait that is under way as well.
    void set_read_deadline(std::optional<Clock::time_point> end);

    /// Gives the descriptor away and leaves the socket closed. Nothing may wait.
    UniqueFd release();
    /// As Stream::move_to.
    void move_to(const boost::asio::any_io_executor& executor);

    /// "read from 127.0.0.1:80: connection reset by peer", unavailable.
    Error failure(Direction direction, int code) const;

  private:
    struct State;
    Task<void> wait_for(Direction direction, bool idle);
    std::shared_ptr<State> state_;
};

/// "127.0.0.1:41234", "[::1]:80", "unix" of the far end.
std::string peer_name(int fd);

/// A stream over a connected socket of any family; TCP sockets get TCP_NODELAY.
class Stream;
std::unique_ptr<Stream> make_stream(const boost::asio::any_io_executor& executor, UniqueFd fd);

}  // namespace berth::async

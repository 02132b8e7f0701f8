// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "shim/loop.h"

namespace berth::shim {

/// Makes reads and writes on a descriptor that a client passed not block, without doing so to the client's
/// own: a pipe or terminal is opened anew through /proc, a socket is told with each call, a file never
/// blocks.
struct PassedFd {
    UniqueFd fd;
    bool is_socket = false;
};
PassedFd adopt_passed_fd(UniqueFd fd, int access_mode);

/// One descriptor at which an attached client gets output. What it can't take at once waits here, in memory
/// that is only allocated then. Never blocks, never throws but for memory.
class ClientOutput {
  public:
    /// More than this waits for nobody.
    static constexpr size_t kMaxBacklog = size_t{1} << 20;
    /// A lossless client with more than this makes the container wait.
    static constexpr size_t kLosslessBacklog = size_t{64} << 10;

    enum class State {
        open,
        slow,       ///< did not read: to be dropped
        gone,       ///< its other end is closed
        delivered,  ///< finish() was called and all has been written
    };

    class Owner {
      public:
        /// After an event at `output` changed its state, or how much waits. May destroy `output`.
        virtual void output_changed(ClientOutput& output) = 0;

      protected:
        ~Owner() = default;
    };

    /// `ends_socket`: a socket's other end is told when all has been delivered, whoever else holds the
    /// socket.
    ClientOutput(Loop& loop, UniqueFd fd, bool lossless, bool ends_socket, Owner& owner);

    /// `header` (may be empty) and `data` one after the other. Calls nobody; look at state() afterwards.
    void write(std::string_view header, std::string_view data);
    /// No more will be written.
    void finish() noexcept;

    State state() const noexcept { return state_; }
    size_t backlog() const noexcept { return backlog_.size() - sent_; }
    bool full() const noexcept { return lossless_ && backlog() >= kLosslessBacklog; }
    bool lossless() const noexcept { return lossless_; }
    /// Bytes that the client's descriptor took so far.
    uint64_t delivered() const noexcept { return delivered_; }

  private:
    void ready(uint32_t events);
    size_t write_now(std::string_view header, std::string_view data) noexcept;
    void keep(std::string_view header, std::string_view data, size_t skip);
    void give_up(State state) noexcept;

    PassedFd fd_;
    bool lossless_;
    bool ends_socket_;
    bool finished_ = false;
    State state_ = State::open;
    Owner& owner_;
    std::string backlog_;
    size_t sent_ = 0;  ///< bytes of backlog_ that are written already
    uint64_t delivered_ = 0;
    Watch watch_;
};

}  // namespace berth::shim

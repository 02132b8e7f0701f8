// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/unique_fd.h"
#include "raw_terminal.h"

namespace berth::oci {

/// Bytes on their way from one descriptor to another; reads only when all that was read before is written.
class Relay {
  public:
    Relay(int from, int to) : from_(from), to_(to) {}

    /// What to wait for: fd -1 once the source has ended.
    pollfd wanted() const;
    void copy(short revents);
    /// Something is read and not yet written.
    bool holds_bytes() const { return begin_ < end_; }
    /// Reads what is there now, without waiting. False if there is nothing.
    bool read_more();
    void stop_reading() { ended_ = true; }

  private:
    int from_;
    int to_;
    bool ended_ = false;
    bool sink_gone_ = false;  ///< goes on reading, so that the writer isn't blocked
    size_t begin_ = 0;
    size_t end_ = 0;
    std::array<char, 4096> bytes_;  ///< one page: what a pipe that polls writable takes without blocking
};

/// The size of the first of stdin, stdout and stderr that is a terminal (and knows its size).
std::optional<winsize> own_terminal_size();

/// A process's pseudoterminal, between its master and our stdin and stdout. If one of our descriptors is a
/// terminal it is raw meanwhile, and its size is the process's too. Without one the bytes are just copied.
class Console {
  public:
    explicit Console(UniqueFd master);

    /// Appends what to wait for; `copy` takes the same entries after poll(2).
    void add_to(std::vector<pollfd>& polled) const;
    void copy(std::span<const pollfd> polled);
    /// Gives the process's terminal the size of ours.
    void resize();

    /// The process has ended: nothing more is read from stdin, and what its terminal still holds goes out.
    /// Call it again after each copy(), until it is false.
    bool drain_begins_or_goes_on();

  private:
    UniqueFd master_;
    UniqueFd peer_;    ///< the process's side, held open: a master whose side is closed polls as hung up all
                       ///< the time
    int terminal_;     ///< the first of our descriptors that is a terminal, or -1
    UniqueFd output_;  ///< stdout opened anew without blocking, if it is a terminal
    Relay to_process_;
    Relay from_process_;
    std::optional<RawTerminal> raw_;
};

}  // namespace berth::oci

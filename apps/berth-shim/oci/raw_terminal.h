// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

namespace berth::oci {

/// Our own terminal in raw mode for as long as this lives: the container's terminal does all the processing.
/// It is restored also when a fault or abort() ends the program. At most one at a time.
class RawTerminal {
  public:
    /// `fd` is a terminal.
    explicit RawTerminal(int fd);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    int fd_;
    termios before_;
};

}  // namespace berth::oci

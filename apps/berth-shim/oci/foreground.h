// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include "base/unique_fd.h"
#include "sys/process.h"

/// `run` and `exec` without --detach: the runtime stays as the parent of the process until that has ended.
namespace berth::oci {

/// Takes all signals of this (single-threaded) process into a descriptor, but for those that the processor
/// raises. To be made before the process is created: none is lost then, and none ends us with the container
/// half made. The container's processes don't inherit the mask: launch/ clears it.
class SignalQueue {
  public:
    SignalQueue();
    ~SignalQueue();
    SignalQueue(const SignalQueue&) = delete;
    SignalQueue& operator=(const SignalQueue&) = delete;

    int fd() const noexcept { return fd_.get(); }
    /// The next signal that someone sent us, or 0 when there is none.
    int next();

  private:
    sigset_t before_;
    UniqueFd fd_;
};

/// Stays until `process` has ended: passes signals on to it, and with `console_master` copies between that
/// and our stdin and stdout and follows the size of our terminal, which is raw meanwhile. With `reap_others`
/// (a subreaper) orphans that become ours are reaped. All output of the terminal has been written when this
/// returns.
sys::ExitStatus wait_in_foreground(sys::Child& process, SignalQueue& signals, UniqueFd console_master,
                                   bool reap_others);

}  // namespace berth::oci

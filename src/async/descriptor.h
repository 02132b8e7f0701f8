// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "async/context.h"
#include "async/task.h"
#include "base/unique_fd.h"

namespace berth::async {

/// Any descriptor that poll(2) knows (a pidfd, inotify, a pipe, a SOCK_SEQPACKET socket), waited for on a
/// loop. Only waiting is done here; who reads or writes makes calls that don't block. Costs no buffer. Of the
/// context's thread.
///
/// A wait ends with unavailable ("use of closed descriptor") when close(), release() or the destructor comes.
class Descriptor {
  public:
    /// Throws where the kernel can't watch it (a regular file).
    Descriptor(Context& context, UniqueFd fd);
    Descriptor(Descriptor&&) noexcept;
    Descriptor& operator=(Descriptor&&) noexcept;
    ~Descriptor();

    /// -1 once closed.
    int fd() const;
    /// Ends when a read is worth trying, also at the end and at errors. One at a time.
    Task<void> wait_readable();
    Task<void> wait_writable();
    /// Ends when the other end is gone: EPOLLHUP, EPOLLERR. A peer that only ended its own sending is not
    /// gone.
    Task<void> wait_hangup();

    void close();
    UniqueFd release();

  private:
    struct State;
    static Task<void> wait(std::shared_ptr<State> state, int what);
    std::shared_ptr<State> state_;
};

}  // namespace berth::async

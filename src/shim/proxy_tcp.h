// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "shim/proxy_loop.h"

namespace berth::shim {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
    explicit operator bool() const noexcept { return static_cast<bool>(read); }
};

/// A few empty pipes for the next splices. A flow holds one only while its receiver doesn't take what is in
/// it, so that thousands of quiet connections need none.
class PipePool {
  public:
    /// Empty when there is no descriptor left.
    Pipe take() noexcept;
    /// `pipe` must be empty.
    void give_back(Pipe pipe) noexcept;

  private:
    std::vector<Pipe> idle_;
};

class TcpConnection;

/// Accepts and splices. Without descriptors (EMFILE) nothing is taken from the backlog for 100 ms at a time;
/// a connection that finds no pipe copies through a small buffer. When a side is reset or can't be reached,
/// the other one is reset.
class TcpForwarder final : public Forwarder, private Watcher {
  public:
    /// `listener` is adopted. Throws where the kernel refuses to watch it.
    TcpForwarder(ProxyLoop& loop, UniqueFd listener, const SocketAddress& target);
    ~TcpForwarder() override;

    int64_t deadline_ms() const noexcept override { return resume_ms_; }
    void tick() override;
    void end_of_round() noexcept override;
    void retarget(const SocketAddress& target) override;
    void stop() override;
    bool finished() const noexcept override { return !listener_ && connections_ == nullptr; }

  private:
    friend class TcpConnection;

    void ready(uint32_t events) override;
    /// False: no more can be accepted now.
    bool accept_one();
    void pause() noexcept;
    void unlink(TcpConnection& connection) noexcept;

    ProxyLoop& loop_;
    UniqueFd listener_;
    SocketAddress target_;
    UniqueFd spare_;          ///< a socket for the next target, made before its client is accepted
    int64_t resume_ms_ = -1;  ///< when accepting goes on; negative: it isn't paused
    TcpConnection* connections_ = nullptr;  ///< owned, a list
    TcpConnection* dead_ = nullptr;         ///< owned, a list: deleted at the end of the round
    PipePool pipes_;
};

}  // namespace berth::shim

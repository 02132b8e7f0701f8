// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdint>

#include "base/unique_fd.h"

/// What the parts of the proxy (proxy.h) share: one thread, one epoll.
namespace berth::shim {

/// Somebody who waits for a descriptor.
class Watcher {
  public:
    virtual void ready(uint32_t events) = 0;

  protected:
    ~Watcher() = default;
};

/// Level-triggered. A watcher that goes away during a round of events must stay in memory until its end,
/// because the same round may hold an event for it: forwarders delete in end_of_round().
class ProxyLoop {
  public:
    ProxyLoop();

    /// False where the kernel refuses (memory, max_user_watches).
    bool watch(int fd, uint32_t events, Watcher& watcher) noexcept;
    void change(int fd, uint32_t events, Watcher& watcher) noexcept;
    void forget(int fd) noexcept;

    /// Waits until there is an event, or `deadline_ms` (of now_ms; negative: none), and calls the watchers.
    void round(int64_t deadline_ms);
    /// Monotonic milliseconds; stands still during a round.
    int64_t now_ms() const noexcept { return now_ms_; }

  private:
    void read_clock() noexcept;

    UniqueFd epoll_;
    int64_t now_ms_ = 0;
};

/// Serves one socket of the command line.
class Forwarder {
  public:
    virtual ~Forwarder() = default;
    /// When tick() has something to do; negative: not by time.
    virtual int64_t deadline_ms() const noexcept = 0;
    virtual void tick() = 0;
    virtual void end_of_round() noexcept = 0;
    /// Nothing new is taken from now on.
    virtual void stop() = 0;
    /// After stop(): nothing is left to do.
    virtual bool finished() const noexcept = 0;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
};

}  // namespace berth::shim

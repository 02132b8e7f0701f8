// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

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

class Forwarder;

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
    /// Those that had events in the last round, some more than once. Others have nothing to end of it.
    const std::vector<Forwarder*>& touched() const noexcept { return touched_; }
    void touch(Forwarder& forwarder) {
        if (touched_.empty() || touched_.back() != &forwarder) touched_.push_back(&forwarder);
    }
    /// Readable when round() has something to do: for a loop around this one.
    int fd() const noexcept { return epoll_.get(); }

    /// Memory for one datagram, shared by all, valid until the watcher returns.
    static constexpr size_t kBufferSize = size_t{64} * 1024;
    char* buffer();
    /// Frees it until it is used again. Not during a round.
    void drop_buffer() noexcept { buffer_.reset(); }

  private:
    void read_clock() noexcept;

    UniqueFd epoll_;
    std::unique_ptr<char[]> buffer_;  ///< made when it is first used
    std::vector<Forwarder*> touched_;
    int64_t now_ms_ = 0;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
};

/// Serves one socket.
class Forwarder {
  public:
    virtual ~Forwarder() = default;
    /// When tick() has something to do; negative: not by time.
    virtual int64_t deadline_ms() const noexcept = 0;
    virtual void tick() = 0;
    virtual void end_of_round() noexcept = 0;
    /// Where what comes from now on goes. Connections go on as they are; clients of datagrams count as new.
    virtual void retarget(const SocketAddress& target) = 0;
    /// Nothing new is taken from now on.
    virtual void stop() = 0;
    /// After stop(): nothing is left to do.
    virtual bool finished() const noexcept = 0;
};

}  // namespace berth::shim

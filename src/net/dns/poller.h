// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "async/context.h"
#include "async/descriptor.h"
#include "base/unique_fd.h"

/// Sockets and deadlines on the loop of a context, but in an epoll set of their own, which is all that the
/// loop waits for: a socket costs its entry there, no coroutine and no buffer. Of the context's thread.
namespace berth::net::dns {

class Poller {
  public:
    using Clock = std::chrono::steady_clock;
    class Watch;
    class Timer;

    explicit Poller(async::Context& context);
    /// After all watches and timers.
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// Serves what is ready, until close().
    async::Task<void> run();
    void close();

  private:
    using Deadlines = std::multimap<Clock::time_point, Timer*>;
    struct Slot {
        Watch* watch = nullptr;
        uint32_t generation = 0;  ///< so that events of one that has gone reach nobody
    };
    size_t serve(int timeout_ms);
    void serve_deadlines();
    void arm();
    uint32_t add_slot(Watch* watch);

    async::Descriptor epoll_;
    UniqueFd timer_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> free_slots_;
    Deadlines deadlines_;
    Clock::time_point armed_ = Clock::time_point::max();
};

/// A descriptor that is watched. May be destroyed in its own ready().
class Poller::Watch {
  public:
    explicit Watch(Poller& poller) : poller_(poller) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    virtual ~Watch() { close(); }

    int fd() const { return fd_.get(); }

  protected:
    Poller& poller() { return poller_; }
    /// `events` as of epoll_ctl(2), level-triggered. Once.
    void watch(UniqueFd fd, uint32_t events);
    void change(uint32_t events);
    void close();

  private:
    friend class Poller;
    /// What it throws is logged.
    virtual void ready(uint32_t events) = 0;

    Poller& poller_;
    UniqueFd fd_;
    uint32_t slot_ = 0, events_ = 0;
};

/// Calls a function once, at a time. May be destroyed in its own call.
class Poller::Timer {
  public:
    Timer(Poller& poller, std::function<void()> call) : poller_(poller), call_(std::move(call)) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { cancel(); }

    /// Instead of the time before.
    void set(Clock::duration after);
    void cancel();

  private:
    friend class Poller;
    Poller& poller_;
    std::function<void()> call_;
    Deadlines::iterator entry_;
    bool is_set_ = false;
};

}  // namespace berth::net::dns

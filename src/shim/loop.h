// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

/// The shim's one loop: epoll and a few timers, no threads. Callbacks are plain functions with an object, so
/// watching allocates nothing. A callback may destroy the object that it was called for (and its Watch or
/// Timer): one event is taken from the kernel at a time, so no other is on its way to it.
namespace berth::shim {

class Loop;

/// One descriptor in the loop. Borrows the descriptor; must be reset before that is closed, because the open
/// file behind it may live on elsewhere and would go on reporting.
class Watch {
  public:
    using Callback = void (*)(void* object, uint32_t events);

    Watch() noexcept = default;
    ~Watch() { reset(); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    /// Level-triggered. `events` may be 0: EPOLLERR and EPOLLHUP are always reported. False: this kind of
    /// file can't be waited for (it is always ready); throws where the kernel refuses otherwise.
    template <auto Method, typename Object>
    bool set(Loop& loop, int fd, uint32_t events, Object* object) {
        return add(
            loop, fd, events, [](void* o, uint32_t e) { (static_cast<Object*>(o)->*Method)(e); }, object);
    }
    /// Other events than before; no system call if they are the same.
    void change(uint32_t events) noexcept;
    void reset() noexcept;
    bool active() const noexcept { return loop_ != nullptr; }

  private:
    friend class Loop;
    bool add(Loop& loop, int fd, uint32_t events, Callback callback, void* object);

    Loop* loop_ = nullptr;
    int fd_ = -1;
    uint32_t events_ = 0;
    Callback callback_ = nullptr;
    void* object_ = nullptr;
};

/// Fires once, unless cancelled.
class Timer {
  public:
    using Callback = void (*)(void* object);

    Timer() noexcept = default;
    ~Timer() { cancel(); }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    template <auto Method, typename Object>
    void arm(Loop& loop, std::chrono::milliseconds delay, Object* object) {
        start(loop, delay, [](void* o) { (static_cast<Object*>(o)->*Method)(); }, object);
    }
    void cancel() noexcept;
    bool armed() const noexcept { return loop_ != nullptr; }

  private:
    friend class Loop;
    void start(Loop& loop, std::chrono::milliseconds delay, Callback callback, void* object);

    Loop* loop_ = nullptr;
    int64_t deadline_ms_ = 0;
    Callback callback_ = nullptr;
    void* object_ = nullptr;
};

class Loop {
  public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Until stop(), which a callback calls. May be run again.
    void run();
    void stop() noexcept { stopped_ = true; }
    /// Stops once all that is ready by now has been handled (or when that takes too long).
    void stop_when_quiet() noexcept { last_events_ = kMaxLastEvents; }

    /// Called once when nothing happened for a while after something did.
    void on_idle(Timer::Callback callback, void* object) noexcept;

    /// Memory for reading, shared by all, valid until the callback returns. Its pages go back to the kernel
    /// when idle.
    static constexpr size_t kBufferSize = size_t{64} * 1024;
    char* buffer() const noexcept { return buffer_; }

  private:
    friend class Watch;
    friend class Timer;
    int wait_timeout_ms() const noexcept;
    void fire_timers();
    void go_idle();

    UniqueFd epoll_;
    std::vector<Timer*> timers_;
    char* buffer_ = nullptr;
    Timer::Callback idle_callback_ = nullptr;
    void* idle_object_ = nullptr;
    static constexpr int kMaxLastEvents = 1000;
    int last_events_ = -1;  ///< how many more are handled before the end; -1: no end yet
    bool busy_ = true;
    bool stopped_ = false;
};

}  // namespace berth::shim

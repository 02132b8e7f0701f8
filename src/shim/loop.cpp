// SPDX-License-Identifier: Apache-2.0
#include "shim/loop.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr int kIdleAfterMs = 1000;

int64_t monotonic_ms() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

bool Watch::add(Loop& loop, int fd, uint32_t events, Callback callback, void* object) {
    reset();
    epoll_event event{};
    event.events = events;
    event.data.ptr = this;
    if (epoll_ctl(loop.epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
        if (errno == EPERM) return false;
        throw errno_error(errno, "epoll_ctl");
    }
    loop_ = &loop;
    fd_ = fd;
    events_ = events;
    callback_ = callback;
    object_ = object;
    return true;
}

void Watch::change(uint32_t events) noexcept {
    if (loop_ == nullptr || events == events_) return;
    epoll_event event{};
    event.events = events;
    event.data.ptr = this;
    epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_MOD, fd_, &event);
    events_ = events;
}

void Watch::reset() noexcept {
    if (loop_ == nullptr) return;
    epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    loop_ = nullptr;
}

void Timer::start(Loop& loop, std::chrono::milliseconds delay, Callback callback, void* object) {
    cancel();
    loop.timers_.push_back(this);
    loop_ = &loop;
    deadline_ms_ = monotonic_ms() + delay.count();
    callback_ = callback;
    object_ = object;
}

void Timer::cancel() noexcept {
    if (loop_ == nullptr) return;
    std::erase(loop_->timers_, this);
    loop_ = nullptr;
}

Loop::Loop() : epoll_(sys::check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    // Its own mapping: pages are only there once touched, and can be given back.
    void* memory = mmap(nullptr, kBufferSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw errno_error(errno, "mmap");
    buffer_ = static_cast<char*>(memory);
}

Loop::~Loop() {
    munmap(buffer_, kBufferSize);
}

void Loop::on_idle(Timer::Callback callback, void* object) noexcept {
    idle_callback_ = callback;
    idle_object_ = object;
}

void Loop::run() {
    stopped_ = false;
    while (!stopped_) {
        epoll_event event{};
        int count = epoll_wait(epoll_.get(), &event, 1, wait_timeout_ms());
        if (count < 0 && errno != EINTR) throw errno_error(errno, "epoll_wait");
        if (count > 0) {
            busy_ = true;
            auto* watch = static_cast<Watch*>(event.data.ptr);
            watch->callback_(watch->object_, event.events);
        } else if (count == 0 && last_events_ >= 0) {
            return;
        } else if (count == 0 && timers_.empty()) {
            go_idle();
        }
        if (last_events_ == 0) return;
        if (last_events_ > 0) --last_events_;
        fire_timers();
    }
}

int Loop::wait_timeout_ms() const noexcept {
    if (last_events_ >= 0) return 0;
    if (timers_.empty()) return busy_ ? kIdleAfterMs : -1;
    int64_t first = (*std::ranges::min_element(timers_, {}, &Timer::deadline_ms_))->deadline_ms_;
    return static_cast<int>(std::clamp<int64_t>(first - monotonic_ms(), 0, 60'000));
}

void Loop::fire_timers() {
    if (timers_.empty()) return;
    int64_t now = monotonic_ms();
    while (!stopped_) {
        auto due = std::ranges::find_if(timers_, [&](const Timer* t) { return t->deadline_ms_ <= now; });
        if (due == timers_.end()) return;
        Timer* timer = *due;
        timer->cancel();
        busy_ = true;
        timer->callback_(timer->object_);
    }
}

void Loop::go_idle() {
    busy_ = false;
    madvise(buffer_, kBufferSize, MADV_DONTNEED);
    if (idle_callback_ != nullptr) idle_callback_(idle_object_);
}

}  // namespace berth::shim

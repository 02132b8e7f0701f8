// SPDX-License-Identifier: Apache-2.0
#include "net/dns/poller.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "sys/file.h"

namespace berth::net::dns {

namespace {

constexpr uint64_t kTimerMark = UINT64_MAX;
/// How often in a row the set is asked before other coroutines of the loop get their turn.
constexpr int kRounds = 32;

UniqueFd make_epoll() {
    return UniqueFd(sys::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
}

}  // namespace

Poller::Poller(async::Context& context)
    : epoll_(context, make_epoll()),
      timer_(sys::check(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kTimerMark;
    sys::check(::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, timer_.get(), &event), "epoll_ctl");
}

Poller::~Poller() = default;

async::Task<void> Poller::run() {
    while (epoll_.fd() >= 0) {
        try {
            co_await epoll_.wait_readable();
        } catch (const Error&) {
            co_return;  // closed
        }
        for (int round = 0; round < kRounds && epoll_.fd() >= 0; ++round)
            if (serve(0) == 0) break;
    }
}

void Poller::close() {
    epoll_.close();
}

size_t Poller::serve(int timeout_ms) {
    epoll_event events[64];
    int count = ::epoll_wait(epoll_.fd(), events, std::size(events), timeout_ms);
    for (int i = 0; i < count; ++i) {
        uint64_t mark = events[i].data.u64;
        try {
            if (mark == kTimerMark) {
                serve_deadlines();
                continue;
            }
            const Slot& slot = slots_[static_cast<uint32_t>(mark)];
            if (slot.watch != nullptr && slot.generation == mark >> 32) slot.watch->ready(events[i].events);
        } catch (...) {
            // One query's: out of memory, at most.
            log::error("dns: {}", current_exception_message());
        }
    }
    return count > 0 ? static_cast<size_t>(count) : 0;
}

uint32_t Poller::add_slot(Watch* watch) {
    if (free_slots_.empty()) {
        // Room first: giving a slot back must not fail.
        free_slots_.reserve(slots_.size() + 1);
        slots_.push_back({.watch = watch});
        return static_cast<uint32_t>(slots_.size() - 1);
    }
    uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot].watch = watch;
    return slot;
}

void Poller::serve_deadlines() {
    uint64_t expirations = 0;
    (void)!::read(timer_.get(), &expirations, sizeof expirations);
    armed_ = Clock::time_point::max();
    Clock::time_point now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        Timer* timer = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        timer->is_set_ = false;
        // A copy: the call may end its own timer.
        std::function<void()> call = timer->call_;
        call();
    }
    arm();
}

void Poller::arm() {
    if (deadlines_.empty() || deadlines_.begin()->first >= armed_) return;
    armed_ = deadlines_.begin()->first;
    auto left = std::max<Clock::duration>(armed_ - Clock::now(), std::chrono::nanoseconds(1));
    int64_t ns = std::chrono::nanoseconds(left).count();
    itimerspec when{};
    when.it_value.tv_sec = ns / 1'000'000'000;
    when.it_value.tv_nsec = ns % 1'000'000'000;
    ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void Poller::Watch::watch(UniqueFd fd, uint32_t events) {
    uint32_t slot = poller_.add_slot(this);
    epoll_event event{};
    event.events = events;
    event.data.u64 = uint64_t{poller_.slots_[slot].generation} << 32 | slot;
    if (::epoll_ctl(poller_.epoll_.fd(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
        int code = errno;
        poller_.slots_[slot].watch = nullptr;
        poller_.free_slots_.push_back(slot);
        throw errno_error(code, "watch a socket");
    }
    fd_ = std::move(fd);
    slot_ = slot;
    events_ = events;
}

void Poller::Watch::change(uint32_t events) {
    if (!fd_ || events == events_) return;
    epoll_event event{};
    event.events = events_ = events;
    event.data.u64 = uint64_t{poller_.slots_[slot_].generation} << 32 | slot_;
    ::epoll_ctl(poller_.epoll_.fd(), EPOLL_CTL_MOD, fd_.get(), &event);
}

void Poller::Watch::close() {
    if (!fd_) return;
    // The shim's duplicate keeps the socket open, so closing ours would not take it out of the set.
    ::epoll_ctl(poller_.epoll_.fd(), EPOLL_CTL_DEL, fd_.get(), nullptr);
    fd_.reset();
    Slot& slot = poller_.slots_[slot_];
    slot.watch = nullptr;
    ++slot.generation;
    poller_.free_slots_.push_back(slot_);
}

void Poller::Timer::set(Clock::duration after) {
    cancel();
    entry_ = poller_.deadlines_.emplace(Clock::now() + after, this);
    is_set_ = true;
    poller_.arm();
}

void Poller::Timer::cancel() {
    if (!is_set_) return;
    poller_.deadlines_.erase(entry_);
    is_set_ = false;
}

}  // namespace berth::net::dns

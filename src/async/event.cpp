// SPDX-License-Identifier: Apache-2.0
// Event and Semaphore. A waiting coroutine is one timer that never runs out; waking it is cancelling the
// timer, which tells it from cancellation of the coroutine by what was changed before.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "async/context.h"
#include "async/loop.h"

namespace berth::async {

namespace asio = boost::asio;

struct Event::State {
    explicit State(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;  ///< all who wait
    bool is_set = false;
    uint64_t times_set = 0;
};

Event::Event(Context& context) : state_(std::make_shared<State>(context.impl().io)) {}
Event::~Event() = default;

void Event::set() {
    if (state_->is_set) return;
    state_->is_set = true;
    ++state_->times_set;
    state_->timer.cancel();
}

void Event::reset() {
    state_->is_set = false;
}
bool Event::is_set() const {
    return state_->is_set;
}

Task<void> Event::wait() {
    std::shared_ptr<State> state = state_;
    uint64_t before = state->times_set;
    while (!state->is_set && state->times_set == before) {
        boost::system::error_code ignored;
        // Throws where the coroutine has been cancelled meanwhile.
        co_await state->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

struct Semaphore::State {
    State(asio::io_context& loop, size_t count) : io(loop), free(count) {}

    struct Waiter {
        explicit Waiter(asio::io_context& loop) : timer(loop, asio::steady_timer::time_point::max()) {}
        asio::steady_timer timer;
        bool granted = false;
    };

    void release() {
        if (waiters.empty()) {
            ++free;
            return;
        }
        Waiter* first = waiters.front();
        waiters.pop_front();
        first->granted = true;
        first->timer.cancel();
    }

    asio::io_context& io;
    size_t free;
    std::list<Waiter*> waiters;
};

Semaphore::Semaphore(Context& context, size_t count)
    : state_(std::make_shared<State>(context.impl().io, count)) {}
Semaphore::~Semaphore() = default;

Semaphore::Permit::Permit(Permit&&) noexcept = default;
Semaphore::Permit& Semaphore::Permit::operator=(Permit&& other) noexcept {
    std::swap(owner_, other.owner_);
    return *this;
}
Semaphore::Permit::~Permit() {
    if (owner_) owner_->release();
}

Task<Semaphore::Permit> Semaphore::acquire() {
    std::shared_ptr<State> state = state_;
    if (state->free > 0) {
        --state->free;
        co_return Permit(std::move(state));
    }
    State::Waiter waiter(state->io);
    state->waiters.push_back(&waiter);
    // Where the coroutine ends while it waits: out of the line, or what was just granted goes to the next.
    struct Leave {
        State& state;
        State::Waiter* waiter;
        ~Leave() {
            if (waiter == nullptr) return;
            if (waiter->granted)
                state.release();
            else
                state.waiters.remove(waiter);
        }
    } leave{*state, &waiter};
    while (!waiter.granted) {
        boost::system::error_code ignored;
        co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    leave.waiter = nullptr;
    co_return Permit(std::move(state));
}

}  // namespace berth::async

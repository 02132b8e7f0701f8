// SPDX-License-Identifier: Apache-2.0
// A coroutine of one context that waits for a task on another one:
//
//   home                                   other
//   run_elsewhere ── post ────────────────► co_spawn(task)
//     waits in a timer of home's            runs
//   cancelled ────── post ────────────────► signal
//   timer's handler ◄──────────── post ──── Arrival: the task ended, or was destroyed with its context
//
// The waiting frame hangs on home's timer alone, so that each loop's end frees what is its own, and nothing
// of one loop is touched on the thread of the other.
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "async/context.h"
#include "async/loop.h"
#include "base/error.h"
#include "base/log.h"

namespace berth::async {

namespace asio = boost::asio;

void Mailbox::post(std::move_only_function<void()> work) {
    std::lock_guard lock(mutex_);
    if (io_ == nullptr) return;  // `work` ends after the lock: it is the caller's
    asio::post(*io_, [work = std::move(work)]() mutable {
        try {
            work();
        } catch (...) {
            log::error("posted work: {}", current_exception_message());
        }
    });
}

void Mailbox::close() {
    std::lock_guard lock(mutex_);
    io_ = nullptr;
}

namespace {

std::exception_ptr cancellation() {
    return std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted));
}

/// Of home's thread. Its handler in the timer owns it, and the frame that waits.
struct Waiting {
    explicit Waiting(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;  ///< never runs out
    std::exception_ptr error;
};

/// Of the other thread. Owned by the task's Arrival.
struct Running {
    asio::cancellation_signal signal;
    std::exception_ptr failure;
};

class Arrival {
  public:
    Arrival(std::shared_ptr<Mailbox> home, std::weak_ptr<Waiting> waiting, std::shared_ptr<Running> running)
        : home_(std::move(home)), waiting_(std::move(waiting)), running_(std::move(running)) {}
    Arrival(Arrival&&) noexcept = default;
    Arrival& operator=(Arrival&&) = delete;
    ~Arrival() {
        if (home_) tell(cancellation());
    }
    void operator()(std::exception_ptr error) {
        if (running_->failure) error = std::move(running_->failure);
        tell(std::move(error));
    }
    Running& running() { return *running_; }

  private:
    void tell(std::exception_ptr error) {
        running_.reset();
        std::shared_ptr<Mailbox> home = std::move(home_);
        home->post([waiting = std::move(waiting_), error = std::move(error)]() mutable {
            auto still = waiting.lock();
            if (!still) return;
            still->error = std::move(error);
            still->timer.cancel();
        });
    }

    std::shared_ptr<Mailbox> home_;
    std::weak_ptr<Waiting> waiting_;
    std::shared_ptr<Running> running_;
};

/// Keeps the failure apart: what leaves a coroutine through co_spawn is still held by its frame while the
/// other thread looks at it.
Task<void> keep_failure(Task<void> task, Running& running) {
    try {
        co_await std::move(task);
    } catch (...) {
        running.failure = std::current_exception();
    }
}

void start(asio::io_context& io, Task<void> task, Arrival arrival) {
    auto slot = arrival.running().signal.slot();
    Task<void> guarded = keep_failure(std::move(task), arrival.running());
    asio::co_spawn(io, std::move(guarded), asio::bind_cancellation_slot(slot, std::move(arrival)));
}

void cancel(Mailbox& other, std::weak_ptr<Running> running, asio::cancellation_type type) {
    other.post([running = std::move(running), type] {
        if (auto still = running.lock()) still->signal.emit(type);
    });
}

}  // namespace

Task<void> detail::run_elsewhere(Context& other, Task<void> task) {
    auto executor = co_await asio::this_coro::executor;
    Context& home = context_of(executor);
    if (&home == &other) {
        co_await std::move(task);
        co_return;
    }
    auto begin = [&home, &other, &task](auto handler) {
        auto waiting = std::make_shared<Waiting>(home.impl().io);
        auto running = std::make_shared<Running>();
        std::shared_ptr<Mailbox> mailbox = other.impl().mailbox;
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([mailbox, weak = std::weak_ptr(running)](asio::cancellation_type type) {
                cancel(*mailbox, weak, type);
            });
        Arrival arrival(home.impl().mailbox, waiting, std::move(running));
        Waiting& waits = *waiting;
        waits.timer.async_wait(
            [waiting = std::move(waiting), handler = std::move(handler)](boost::system::error_code) mutable {
                std::exception_ptr error = std::move(waiting->error);
                waiting.reset();
                std::move(handler)(std::move(error));
            });
        mailbox->post(
            [&io = other.impl().io, task = std::move(task), arrival = std::move(arrival)]() mutable {
                start(io, std::move(task), std::move(arrival));
            });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
        std::move(begin), asio::use_awaitable);
}

}  // namespace berth::async

// SPDX-License-Identifier: Apache-2.0
// Coroutines that run beside each other while one waits for them all: all_of, any_of and with_timeout. A
// child is never left behind: the waiting coroutine goes on when the last has ended, so children may refer to
// its locals.
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
#include <deque>

#include "async/context.h"
#include "async/loop.h"
#include "base/error.h"

namespace berth::async {

namespace asio = boost::asio;

namespace {

enum class Until { all_ended, first_ended };

/// Owned by its children's completion handlers alone. It holds the frame that waits, so a frame must not hold
/// it: at the loop's end both would stay.
class Group : public std::enable_shared_from_this<Group> {
  public:
    using Done = std::move_only_function<void(std::exception_ptr)>;

    Group(asio::any_io_executor executor, std::vector<Task<void>> tasks, size_t limit,
          Until until = Until::all_ended)
        : executor_(std::move(executor)),
          tasks_(std::move(tasks)),
          limit_(limit),
          until_(until),
          children_(tasks_.size()),
          first_(std::make_shared<size_t>(tasks_.size())) {}

    /// Which child ended first, to be read when all have ended.
    std::shared_ptr<const size_t> first() const { return first_; }

    void start(Done done) {
        done_ = std::move(done);
        size_t first = limit_ == 0 ? tasks_.size() : std::min(limit_, tasks_.size());
        for (size_t i = 0; i < first; ++i) start_next();
        if (running_ == 0) finish();
    }

    void cancel(asio::cancellation_type type) {
        cancelled_ = true;
        for (Child& child : children_)
            if (child.running) child.signal.emit(type);
    }

  private:
    struct Child {
        asio::cancellation_signal signal;
        bool running = false;
    };

    void start_next() {
        size_t index = next_++;
        Child& child = children_[index];
        child.running = true;
        ++running_;
        auto ended = [self = shared_from_this(), index](std::exception_ptr error) {
            self->ended(index, std::move(error));
        };
        asio::co_spawn(executor_, std::move(tasks_[index]),
                       asio::bind_cancellation_slot(child.signal.slot(), std::move(ended)));
    }

    void ended(size_t index, std::exception_ptr error) {
        children_[index].running = false;
        --running_;
        bool is_first = *first_ == tasks_.size();
        if (is_first) *first_ = index;
        if (until_ == Until::first_ended) {
            if (is_first) {
                failure_ = std::move(error);
                cancel(asio::cancellation_type::all);
            }
        } else if (error && !failure_) {
            failure_ = std::move(error);
            cancel(asio::cancellation_type::all);
        }
        if (!cancelled_ && next_ < tasks_.size()) start_next();
        if (running_ == 0) finish();
    }

    void finish() {
        if (!failure_ && next_ < tasks_.size())
            failure_ = std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted));
        asio::post(executor_, [done = std::move(done_), failure = std::move(failure_)]() mutable {
            done(std::move(failure));
        });
    }

    asio::any_io_executor executor_;
    std::vector<Task<void>> tasks_;
    size_t limit_;
    Until until_;
    std::deque<Child> children_;
    std::shared_ptr<size_t> first_;
    size_t next_ = 0;
    size_t running_ = 0;
    bool cancelled_ = false;
    std::exception_ptr failure_;
    Done done_;
};

/// Starts the group and waits for it. Cancellation of the waiting coroutine is handed to the children.
Task<void> wait_for(std::shared_ptr<Group> group) {
    auto start = [group = std::move(group)](auto handler) mutable {
        std::shared_ptr<Group> started = std::move(group);
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([weak = std::weak_ptr(started)](asio::cancellation_type type) {
                if (auto waiting = weak.lock()) waiting->cancel(type);
            });
        started->start(std::move(handler));
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(std::move(start),
                                                                                         asio::use_awaitable);
}

}  // namespace

Task<void> all_of(std::vector<Task<void>> tasks, size_t limit) {
    auto executor = co_await asio::this_coro::executor;
    auto group = std::make_shared<Group>(executor, std::move(tasks), limit);
    co_await wait_for(std::move(group));
}

Task<size_t> any_of(std::vector<Task<void>> tasks) {
    auto executor = co_await asio::this_coro::executor;
    auto group = std::make_shared<Group>(executor, std::move(tasks), 0, Until::first_ended);
    std::shared_ptr<const size_t> first = group->first();
    co_await wait_for(std::move(group));
    co_return *first;
}

Task<void> with_timeout(std::chrono::milliseconds limit, std::string what, Task<void> task) {
    auto executor = co_await asio::this_coro::executor;
    std::vector<Task<void>> tasks;
    tasks.push_back(std::move(task));
    auto group = std::make_shared<Group>(executor, std::move(tasks), 0);
    auto timed_out = std::make_shared<bool>(false);
    asio::steady_timer timer(executor, limit);
    timer.async_wait([weak = std::weak_ptr(group), timed_out](boost::system::error_code error) {
        auto running = weak.lock();
        if (error || !running) return;
        *timed_out = true;
        running->cancel(asio::cancellation_type::all);
    });
    std::exception_ptr failure;
    try {
        co_await wait_for(std::move(group));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    if (*timed_out && is_cancelled(failure))
        throw make_error(ErrorKind::unavailable, "{}: timed out after {}", what, duration_text(limit));
    std::rethrow_exception(failure);
}

}  // namespace berth::async

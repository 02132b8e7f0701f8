// SPDX-License-Identifier: Apache-2.0
#include "async/context.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "async/loop.h"
#include "base/error.h"
#include "base/log.h"

namespace berth::async {

namespace asio = boost::asio;

namespace {

/// How a coroutine finds its Context: the loop carries it.
class ContextService : public asio::execution_context::service {
  public:
    using key_type = ContextService;
    static asio::execution_context::id id;
    explicit ContextService(asio::execution_context& owner, Context* found = nullptr)
        : asio::execution_context::service(owner), context(found) {}
    Context* context;

  private:
    void shutdown() override {}
};

asio::execution_context::id ContextService::id;

/// The message of what left a task, or nothing where that is no failure.
void log_failure(const std::string& name, std::exception_ptr error) {
    if (!error || is_cancelled(error)) return;
    try {
        std::rethrow_exception(error);
    } catch (...) {
        log::error("{}: {}", name, current_exception_message());
    }
}

}  // namespace

Context& context_of(const asio::any_io_executor& executor) {
    asio::execution_context& loop = asio::query(executor, asio::execution::context);
    Context* context = asio::use_service<ContextService>(loop).context;
    if (context == nullptr) throw Error(ErrorKind::internal, "a coroutine runs outside of a Context");
    return *context;
}

std::string duration_text(std::chrono::milliseconds duration) {
    auto count = duration.count();
    if (count % 1000 != 0) return fmt::format("{}ms", count);
    count /= 1000;
    if (count < 60) return fmt::format("{}s", count);
    return fmt::format("{}m{}s", count / 60, count % 60);
}

Context::Context(unsigned pool_threads) : impl_(std::make_unique<Impl>(pool_threads)) {
    asio::make_service<ContextService>(impl_->io, this);
}

Context::~Context() {
    impl_->mailbox->close();
    // First the threads: what runs there may refer to the frames that wait for it.
    join_pool();
}

void Context::join_pool() {
    if (!impl_->pool) return;
    impl_->pool->stop();
    impl_->pool->join();
}

void Context::run() {
    impl_->io.run();
    impl_->io.restart();
}

void Context::stop() {
    impl_->io.stop();
}

void Context::spawn(std::string name, Task<void> task) {
    asio::co_spawn(impl_->io, std::move(task), [name = std::move(name)](std::exception_ptr error) {
        log_failure(name, std::move(error));
    });
}

std::function<void()> Context::spawn_cancellable(Task<void> task,
                                                 std::function<void(std::exception_ptr)> ended) {
    struct Running {
        asio::cancellation_signal signal;
        bool ended = false;
    };
    auto running = std::make_shared<Running>();
    auto completion = [running, ended = std::move(ended)](std::exception_ptr error) {
        running->ended = true;
        ended(std::move(error));
    };
    asio::co_spawn(impl_->io, std::move(task),
                   asio::bind_cancellation_slot(running->signal.slot(), std::move(completion)));
    return [weak = std::weak_ptr(running)] {
        auto still = weak.lock();
        if (still && !still->ended) still->signal.emit(asio::cancellation_type::all);
    };
}

void Context::post(std::function<void()> work) {
    asio::post(impl_->io, [work = std::move(work)] {
        try {
            work();
        } catch (...) {
            log::error("posted work: {}", current_exception_message());
        }
    });
}

void Context::run_until_done(Task<void> task) {
    struct Outcome {
        bool ended = false;
        std::exception_ptr error;
    };
    auto outcome = std::make_shared<Outcome>();
    asio::co_spawn(impl_->io, std::move(task), [outcome](std::exception_ptr error) {
        outcome->ended = true;
        outcome->error = std::move(error);
    });
    while (!outcome->ended && impl_->io.run_one() > 0) {
    }
    if (impl_->io.stopped()) impl_->io.restart();
    if (!outcome->ended) throw boost::system::system_error(asio::error::operation_aborted);
    if (outcome->error) std::rethrow_exception(outcome->error);
}

Task<void> spawn(std::string name, Task<void> task) {
    auto executor = co_await asio::this_coro::executor;
    context_of(executor).spawn(std::move(name), std::move(task));
}

Task<void> sleep_for(std::chrono::nanoseconds duration) {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, duration);
    co_await timer.async_wait(asio::use_awaitable);
}

Task<int> next_signal(std::vector<int> signals) {
    auto executor = co_await asio::this_coro::executor;
    asio::signal_set set(executor);
    for (int number : signals) set.add(number);
    int number = co_await set.async_wait(asio::use_awaitable);
    co_return number;
}

bool is_cancelled(std::exception_ptr error) {
    if (!error) return false;
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& failure) {
        return failure.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

Task<void> detail::run_in_pool(std::function<void()> work) {
    auto executor = co_await asio::this_coro::executor;
    Context::Impl& impl = context_of(executor).impl();
    if (!impl.pool) impl.pool.emplace(impl.pool_threads);
    auto start = [&impl, &work](auto handler) {
        auto call = [&io = impl.io, guard = asio::make_work_guard(impl.io), work = std::move(work),
                     handler = std::move(handler)]() mutable {
            // The guard goes along: ending here it could stop a loop that has just been left and begun anew.
            std::exception_ptr error;
            try {
                work();
            } catch (...) {
                error = std::current_exception();
            }
            work = nullptr;  // what it holds ends before the coroutine goes on
            asio::post(io, [handler = std::move(handler), error = std::move(error),
                            ended = std::move(guard)]() mutable { std::move(handler)(std::move(error)); });
        };
        asio::post(*impl.pool, std::move(call));
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(
        std::move(start), asio::use_awaitable);
}

}  // namespace berth::async

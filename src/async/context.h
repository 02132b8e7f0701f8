// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "async/task.h"

namespace berth::async {

/// One event loop (an io_context run by one thread: whoever calls run()) and a pool of threads for what
/// blocks. All coroutines of a context run on its one thread, so they need no locks; what runs in the pool
/// shares nothing with them.
class Context {
  public:
    explicit Context(unsigned pool_threads = 4);
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    /// Ends the loop's coroutines where they stand (their frames are destroyed) and joins the pool.
    ~Context();
    /// Waits for what the pool's threads are at, and begins no more of it. After the loop's end, before the
    /// end of what such work refers to.
    void join_pool();

    /// Runs the loop until stop(), or until nothing is left to do. A stop() that came before counts.
    void run();
    /// Makes run() return. From any thread and from signal handlers' coroutines.
    void stop();

    /// Starts `task` in the background. An exception that leaves it is logged with `name`, except
    /// cancellation.
    void spawn(std::string name, Task<void> task);
    /// As spawn; `ended` is called on the loop's thread with what left the task (or nothing). The function
    /// that is given back cancels the task (from the loop's thread; no effect once it has ended).
    [[nodiscard]] std::function<void()> spawn_cancellable(Task<void> task,
                                                          std::function<void(std::exception_ptr)> ended);
    /// From any thread: calls `work` on the loop's thread.
    void post(std::function<void()> work);

    /// Runs the loop until `task` has ended; its value or exception. For programs and tests.
    template <typename T>
    T block_on(Task<T> task);

    struct Impl;
    Impl& impl() { return *impl_; }

  private:
    void run_until_done(Task<void> task);
    std::unique_ptr<Impl> impl_;
};

/// As Context::spawn, on the context of the running coroutine.
Task<void> spawn(std::string name, Task<void> task);

/// Runs `work` on the context's pool and comes back to the loop with its value or exception. `work` must not
/// touch what coroutines own without care. A cancelled coroutine still waits for `work`, so it may refer to
/// the frame's locals.
template <typename Work>
auto run_blocking(Work work) -> Task<std::invoke_result_t<Work&>>;

Task<void> sleep_for(std::chrono::nanoseconds duration);

/// Ends with kind unavailable and "…: timed out after 30s" where `task` takes longer; `task` is cancelled,
/// and has ended when this ends.
Task<void> with_timeout(std::chrono::milliseconds limit, std::string what, Task<void> task);
template <typename T>
    requires(!std::is_void_v<T>)
Task<T> with_timeout(std::chrono::milliseconds limit, std::string what, Task<T> task);

/// Runs all at the same time (each its own coroutine) and ends when all have ended. The first failure cancels
/// the others and is thrown. At most `limit` run at once (0: no limit).
Task<void> all_of(std::vector<Task<void>> tasks, size_t limit = 0);

/// Runs all at the same time until the first has ended, by itself or by a failure; the others are cancelled
/// and have ended too when this ends. The index of the first; its failure is thrown.
Task<size_t> any_of(std::vector<Task<void>> tasks);

/// Runs `task` on the thread of `other` and comes back with its value or exception. Cancellation passes to
/// the task, and this ends when the task has ended; so the task may refer to the frame's locals, which nobody
/// else touches meanwhile.
///
/// Where `other` ends first (its thread joined, then destroyed) this is cancelled. A context whose coroutines
/// wait here is destroyed after those that they wait for: else the task goes on without its frame, and may
/// then use only what it owns.
template <typename T>
Task<T> run_on(Context& other, Task<T> task);

/// Waits for SIGINT, SIGTERM or what is named; the number of the one that came.
Task<int> next_signal(std::vector<int> signals);

/// True where the exception is the cancellation of a coroutine, which ends work but is no failure to report.
bool is_cancelled(std::exception_ptr error);

/// A flag that coroutines of one context wait for. set() wakes all; stays set until reset().
class Event {
  public:
    explicit Event(Context& context);
    ~Event();
    void set();
    void reset();
    bool is_set() const;
    /// Who waits when set() is called wakes up, also if reset() follows at once.
    Task<void> wait();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

/// At most `count` holders among the coroutines of one context; first come, first served. Permits may outlive
/// it.
class Semaphore {
  private:
    struct State;

  public:
    Semaphore(Context& context, size_t count);
    ~Semaphore();
    class [[nodiscard]] Permit {
      public:
        Permit(Permit&&) noexcept;
        Permit& operator=(Permit&&) noexcept;
        ~Permit();

      private:
        friend class Semaphore;
        explicit Permit(std::shared_ptr<State> owner) : owner_(std::move(owner)) {}
        std::shared_ptr<State> owner_;
    };
    Task<Permit> acquire();

  private:
    std::shared_ptr<State> state_;
};

// --- templates
// -----------------------------------------------------------------------------------------------------

namespace detail {
Task<void> run_in_pool(std::function<void()> work);
}

template <typename Work>
auto run_blocking(Work work) -> Task<std::invoke_result_t<Work&>> {
    using Result = std::invoke_result_t<Work&>;
    auto shared = std::make_shared<Work>(std::move(work));
    if constexpr (std::is_void_v<Result>) {
        std::function<void()> call = [shared] { (*shared)(); };
        co_await detail::run_in_pool(std::move(call));
    } else {
        auto result = std::make_shared<std::optional<Result>>();
        std::function<void()> call = [shared, result] { result->emplace((*shared)()); };
        co_await detail::run_in_pool(std::move(call));
        co_return std::move(**result);
    }
}

namespace detail {
template <typename T>
Task<void> store_result(Task<T> task, std::shared_ptr<std::optional<T>> into) {
    into->emplace(co_await std::move(task));
}
}  // namespace detail

namespace detail {
Task<void> run_elsewhere(Context& other, Task<void> task);
}

template <typename T>
Task<T> run_on(Context& other, Task<T> task) {
    if constexpr (std::is_void_v<T>) {
        co_await detail::run_elsewhere(other, std::move(task));
    } else {
        auto result = std::make_shared<std::optional<T>>();
        Task<void> store = detail::store_result(std::move(task), result);
        co_await detail::run_elsewhere(other, std::move(store));
        co_return std::move(**result);
    }
}

template <typename T>
    requires(!std::is_void_v<T>)
Task<T> with_timeout(std::chrono::milliseconds limit, std::string what, Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    Task<void> store = detail::store_result(std::move(task), result);
    co_await with_timeout(limit, std::move(what), std::move(store));
    co_return std::move(**result);
}

template <typename T>
T Context::block_on(Task<T> task) {
    if constexpr (std::is_void_v<T>) {
        run_until_done(std::move(task));
    } else {
        auto result = std::make_shared<std::optional<T>>();
        run_until_done(detail::store_result(std::move(task), result));
        return std::move(**result);
    }
}

}  // namespace berth::async

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "async/context.h"

namespace berth::engine {

/// Operations that run one at a time, in the order in which they came. Each runs to its end, whether whoever
/// asked for it still waits or not. Belongs to its context's thread; operations may outlive the queue.
class OperationQueue {
  public:
    explicit OperationQueue(async::Context& context);

    /// Ends, or throws, as the operation does. Cancelling the caller leaves the operation alone.
    async::Task<void> run(async::Task<void> operation);
    template <typename T>
    async::Task<T> run_for(async::Task<T> operation);
    /// Until the permit is given back no operation runs. For what is no coroutine; to be given back on the
    /// context's thread.
    async::Task<async::Semaphore::Permit> acquire();
    /// Nobody waits: a failure is logged with `name`.
    void post(std::string name, async::Task<void> operation);

  private:
    async::Context& context_;
    std::shared_ptr<async::Semaphore> turn_;
};

/// Runs `task` in the background and waits for it: it goes on where the caller is cancelled.
async::Task<void> run_to_end(async::Context& context, async::Task<void> task);

template <typename T>
async::Task<T> OperationQueue::run_for(async::Task<T> operation) {
    auto result = std::make_shared<std::optional<T>>();
    async::Task<void> store = async::detail::store_result(std::move(operation), result);
    co_await run(std::move(store));
    co_return std::move(**result);
}

}  // namespace berth::engine

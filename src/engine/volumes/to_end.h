// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "async/context.h"

namespace berth::engine {

/// `task` goes on where its caller is cancelled: a change is never left between disk, database and memory.
template <typename T>
async::Task<T> to_end(async::Context& context, async::Task<T> task) {
    struct Outcome {
        explicit Outcome(async::Context& on) : done(on) {}
        std::optional<T> value;
        std::exception_ptr failure;
        async::Event done;
    };
    auto outcome = std::make_shared<Outcome>(context);
    std::shared_ptr<std::optional<T>> value(outcome, &outcome->value);
    async::Task<void> stored = async::detail::store_result(std::move(task), value);
    std::function<void(std::exception_ptr)> ended = [outcome](std::exception_ptr failure) {
        outcome->failure = std::move(failure);
        outcome->done.set();
    };
    std::function<void()> cancel = context.spawn_cancellable(std::move(stored), std::move(ended));
    co_await outcome->done.wait();
    if (outcome->failure) std::rethrow_exception(outcome->failure);
    co_return std::move(*outcome->value);
}

}  // namespace berth::engine

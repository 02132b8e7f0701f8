// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/operation_queue.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace berth::engine {
namespace {

class OperationQueueTest : public testing::Test {
  protected:
    async::Context context{1};
    OperationQueue queue{context};
    std::vector<std::string> steps;

    async::Task<void> operation(std::string name, async::Event* gate = nullptr) {
        steps.push_back(name + " begins");
        if (gate != nullptr) co_await gate->wait();
        steps.push_back(name + " ends");
    }
    async::Task<void> failing() {
        co_await async::sleep_for(std::chrono::nanoseconds(1));
        throw Error(ErrorKind::conflict, "no");
    }
    async::Task<int> answer() {
        co_await async::sleep_for(std::chrono::nanoseconds(1));
        co_return 42;
    }
    async::Task<void> cancel_and_wait(async::Event* gate) {
        bool has_ended = false;
        async::Task<void> first = queue.run(operation("first", gate));
        auto cancel =
            context.spawn_cancellable(std::move(first), [&](std::exception_ptr) { has_ended = true; });
        while (steps.empty()) co_await async::sleep_for(std::chrono::milliseconds(1));
        cancel();
        while (!has_ended) co_await async::sleep_for(std::chrono::milliseconds(1));
        EXPECT_EQ(steps.size(), 1U) << "the operation goes on";
        gate->set();
        co_await queue.run(operation("second"));
    }
};

TEST_F(OperationQueueTest, OneAtATimeInTheOrderOfTheirCalls) {
    async::Event gate(context);
    queue.post("a", operation("a", &gate));
    queue.post("b", operation("b"));
    context.post([&] { gate.set(); });
    context.block_on(queue.run(operation("c")));
    EXPECT_EQ(steps,
              (std::vector<std::string>{"a begins", "a ends", "b begins", "b ends", "c begins", "c ends"}));
}

TEST_F(OperationQueueTest, WhatAnOperationThrowsIsThrownAndTheNextRuns) {
    EXPECT_THROW(context.block_on(queue.run(failing())), Error);
    EXPECT_EQ(context.block_on(queue.run_for(answer())), 42);
}

TEST_F(OperationQueueTest, RunsToItsEndWithoutItsCaller) {
    async::Event gate(context);
    context.block_on(cancel_and_wait(&gate));
    EXPECT_EQ(steps,
              (std::vector<std::string>{"first begins", "first ends", "second begins", "second ends"}));
}

}  // namespace
}  // namespace berth::engine

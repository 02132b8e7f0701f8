// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/operation_queue.h"

namespace berth::engine {
namespace {

struct Outcome {
    explicit Outcome(async::Context& context) : ended(context) {}
    std::exception_ptr error;
    async::Event ended;
};

async::Task<void> perform(async::Task<void> task, std::shared_ptr<Outcome> outcome) {
    try {
        co_await std::move(task);
    } catch (...) {
        outcome->error = std::current_exception();
    }
    outcome->ended.set();
}

async::Task<void> take_turn(std::shared_ptr<async::Semaphore> turn, async::Task<void> operation) {
    async::Semaphore::Permit permit = co_await turn->acquire();
    co_await std::move(operation);
}

}  // namespace

async::Task<void> run_to_end(async::Context& context, async::Task<void> task) {
    auto outcome = std::make_shared<Outcome>(context);
    async::Task<void> performed = perform(std::move(task), outcome);
    context.spawn("operation", std::move(performed));
    co_await outcome->ended.wait();
    if (outcome->error) std::rethrow_exception(outcome->error);
}

OperationQueue::OperationQueue(async::Context& context)
    : context_(context), turn_(std::make_shared<async::Semaphore>(context, 1)) {}

async::Task<void> OperationQueue::run(async::Task<void> operation) {
    return run_to_end(context_, take_turn(turn_, std::move(operation)));
}

async::Task<async::Semaphore::Permit> OperationQueue::acquire() {
    auto turn = turn_;
    co_return co_await turn->acquire();
}

void OperationQueue::post(std::string name, async::Task<void> operation) {
    context_.spawn(std::move(name), take_turn(turn_, std::move(operation)));
}

}  // namespace berth::engine

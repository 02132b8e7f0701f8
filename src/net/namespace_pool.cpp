// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <net/if.h>

#include <chrono>
#include <deque>
#include <exception>
#include <random>

#include "net/namespace.h"

namespace berth::net {

using Clock = std::chrono::steady_clock;

namespace {

/// So long nothing is taken before the pool is filled again; where less than half is left one is made after
/// each `kPause`, about the length of a start, so that the pool doesn't run out under one start after the
/// other.
constexpr std::chrono::milliseconds kQuiet{50}, kPause{8};
constexpr uint32_t kNames = 10'000'000;

}  // namespace

struct NamespacePool::State {
    async::Context& context;
    std::string prefix;  ///< of interfaces' names
    size_t size;
    std::deque<PreparedNamespace> ready;
    Clock::time_point last_taken = Clock::now();
    uint32_t next_name = std::random_device()();
    bool is_refilling = false, is_closed = false;
    std::function<void()> cancel_refill;

    std::string new_name() {
        while (true) {
            std::string name = fmt::format("{}{:07}", prefix, next_name++ % kNames);
            if (if_nametoindex(name.c_str()) == 0) return name;
        }
    }

    static async::Task<PreparedNamespace> make(std::shared_ptr<State> state) {
        std::string name = state->new_name();
        co_return co_await async::run_blocking([name] { return make_namespace(name); });
    }

    static async::Task<void> refill(std::shared_ptr<State> state) {
        while (!state->is_closed && state->ready.size() < state->size) {
            if (state->ready.size() * 2 < state->size) {
                co_await async::sleep_for(kPause);
            } else if (auto left = state->last_taken + kQuiet - Clock::now();
                       left > Clock::duration::zero()) {
                co_await async::sleep_for(left);
                continue;
            }
            PreparedNamespace one = co_await make(state);
            if (!state->is_closed) state->ready.push_back(std::move(one));
        }
    }

    static void start_refill(const std::shared_ptr<State>& state) {
        if (state->is_refilling || state->is_closed || state->ready.size() >= state->size) return;
        state->is_refilling = true;
        // What keeps it from being filled is told to who takes: the same fails there.
        state->cancel_refill = state->context.spawn_cancellable(
            refill(state), [state](std::exception_ptr) { state->is_refilling = false; });
    }
};

NamespacePool::NamespacePool(async::Context& context, std::string tag, size_t size)
    : state_(std::make_shared<State>(State{.context = context,
                                           .prefix = "ve" + tag.substr(0, 6),
                                           .size = size,
                                           .ready = {},
                                           .cancel_refill = {}})) {
    State::start_refill(state_);
}

NamespacePool::~NamespacePool() {
    close();
}

async::Task<PreparedNamespace> NamespacePool::take() {
    auto state = state_;
    state->last_taken = Clock::now();
    std::optional<PreparedNamespace> taken;
    while (!taken && !state->ready.empty()) {
        // Whoever manages the host's devices may have removed its end there.
        if (if_nametoindex(state->ready.front().host_interface.c_str()) != 0)
            taken = std::move(state->ready.front());
        state->ready.pop_front();
    }
    State::start_refill(state);
    if (taken) co_return std::move(*taken);
    co_return co_await State::make(state);
}

std::string NamespacePool::new_interface_name() {
    return state_->new_name();
}

void NamespacePool::close() {
    state_->is_closed = true;
    state_->ready.clear();
    if (auto cancel = std::exchange(state_->cancel_refill, nullptr)) cancel();
}

}  // namespace berth::net

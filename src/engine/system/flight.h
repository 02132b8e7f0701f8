// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "async/context.h"

namespace berth::engine {

/// Work that several may wait for, and that goes on to its end when they go away. Of one context's thread.
template <typename T>
class Flight {
  public:
    explicit Flight(async::Context& context) : ended_(context) {}

    bool is_over() const { return ended_.is_set(); }
    /// What the work gave, or its exception.
    static async::Task<T> wait(std::shared_ptr<Flight> self) {
        co_await self->ended_.wait();
        if (self->failure_) std::rethrow_exception(self->failure_);
        co_return *self->result_;
    }
    static std::shared_ptr<Flight> begin(async::Context& context, std::string name, async::Task<T> work) {
        auto flight = std::make_shared<Flight>(context);
        context.spawn(std::move(name), run(flight, std::move(work)));
        return flight;
    }

  private:
    static async::Task<void> run(std::shared_ptr<Flight> self, async::Task<T> work) {
        try {
            self->result_.emplace(co_await std::move(work));
        } catch (...) {
            self->failure_ = std::current_exception();
        }
        self->ended_.set();
    }

    async::Event ended_;
    std::optional<T> result_;
    std::exception_ptr failure_;
};

}  // namespace berth::engine

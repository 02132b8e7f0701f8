// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "async/context.h"

namespace berth::registry {

/// A lock for each key among the coroutines of one context: how two pulls at the same time do the same work
/// once. The second to come waits, and then finds it done. First come, first served.
class KeyedLocks {
  public:
    explicit KeyedLocks(async::Context& context) : context_(context) {}

    class [[nodiscard]] Held {
      public:
        Held(Held&&) noexcept = default;
        Held& operator=(Held&&) = delete;

      private:
        friend class KeyedLocks;
        Held(std::shared_ptr<async::Semaphore> lock, async::Semaphore::Permit permit)
            : lock_(std::move(lock)), permit_(std::move(permit)) {}
        std::shared_ptr<async::Semaphore> lock_;
        async::Semaphore::Permit permit_;
    };

    async::Task<Held> acquire(std::string key) {
        std::erase_if(locks_, [](const auto& entry) { return entry.second.expired(); });
        std::shared_ptr<async::Semaphore> lock = locks_[key].lock();
        if (!lock) {
            lock = std::make_shared<async::Semaphore>(context_, 1);
            locks_[key] = lock;
        }
        async::Semaphore::Permit permit = co_await lock->acquire();
        co_return Held(std::move(lock), std::move(permit));
    }

  private:
    async::Context& context_;
    std::map<std::string, std::weak_ptr<async::Semaphore>> locks_;
};

}  // namespace berth::registry

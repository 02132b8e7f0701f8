// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "async/context.h"

namespace berth::engine {

/// Tells followers that log files changed: one inotify descriptor for all of them (a user may have only 128),
/// read by one thread, which is started with the first follower. To be made, used and destroyed on the
/// context's thread, after all who use it.
class LogWatcher {
  public:
    explicit LogWatcher(async::Context& context);
    ~LogWatcher();
    LogWatcher(const LogWatcher&) = delete;
    LogWatcher& operator=(const LogWatcher&) = delete;

  private:
    friend class LogWatch;
    struct State;
    std::shared_ptr<State> state_;
};

/// What one follower waits with. On the context's thread, but for wake().
class LogWatch {
  public:
    explicit LogWatch(LogWatcher& watcher);
    LogWatch(LogWatch&&) noexcept;
    LogWatch& operator=(LogWatch&&) noexcept;
    ~LogWatch();

    /// Until the file `fd` (known by `inode`; -1: only the folder) or the folder of `path` may have changed
    /// since this was called last, or wake() was called, or the time `until_ns` (0: never) passes. The first
    /// wait for a file ends at once: it may have changed before it was watched.
    async::Task<void> wait(int fd, uint64_t inode, std::string path, int64_t until_ns);
    /// From any thread.
    void wake();
    /// As wake(), for whoever outlives this.
    std::function<void()> waker() const;

  private:
    friend class LogWatcher;
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

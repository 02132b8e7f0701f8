// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "async/context.h"
#include "engine/logs/log_watcher.h"
#include "engine/logs/reader.h"

namespace berth::engine {

/// `docker logs --follow`: what LogReader gives, then what is logged later, record by record, across
/// rotation: nothing lost, nothing doubled. It reads the files, never the shim, so a slow client neither
/// holds the container up nor misses anything; the files that it still needs stay open.
///
///   LogBatch batch;
///   while (true) {
///       auto more = co_await run_blocking([&] { return follower.pump(batch); });
///       if (!batch.empty()) co_await stream->write(batch);
///       if (more == Follower::More::ended) break;
///       if (more == Follower::More::later) co_await follower.wait();
///   }
///
/// dockerd's follow of a container that does not run ends at once (use LogReader), and it ends when the
/// container exits, also where a restart policy starts it again.
class Follower {
  public:
    enum class More {
        now,    ///< pump() again
        later,  ///< wait() first
        ended,  ///< the container has ended and all was given, or `until` has passed
    };

    /// Opens nothing yet: the first pump() does.
    Follower(LogWatcher& watcher, LogLocation location, const LogReadOptions& options);
    Follower(Follower&&) noexcept;
    Follower& operator=(Follower&&) noexcept;
    ~Follower();

    /// Blocking, for the pool. Replaces what is in `into`, which may stay empty.
    More pump(LogBatch& into);
    /// On the context's thread: until there may be more, or finish() was called, or `until` passes.
    async::Task<void> wait();

    /// From any thread, also while pump() or wait() run: nothing more will be logged (the shim told the exit,
    /// or it is gone). What is in the files by now is still given.
    void finish();
    /// The same for whoever may outlive the follower (not the context).
    std::function<void()> finisher() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace berth::engine

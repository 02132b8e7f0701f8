// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <thread>

#include "async/context.h"

namespace berth::async {

/// A context that a thread of its own runs, also while there is nothing to do. Signals are blocked there:
/// they are the main thread's.
///
/// The order of an end: first whoever waits for this context in run_on() or has moved a stream to it comes
/// back (http::Server::stop() does that for handlers), then this is destroyed, then the contexts that used
/// it.
class Thread {
  public:
    /// `name` is at most 15 characters long, for ps and debuggers.
    explicit Thread(const std::string& name, unsigned pool_threads = 4);
    /// stop(); then coroutines that are left end where they stand, on the calling thread.
    ~Thread();

    Context& context() { return context_; }
    /// Ends the loop, joins the thread and the pool. Not from the thread itself.
    void stop();

  private:
    Context context_;
    std::thread thread_;
};

}  // namespace berth::async

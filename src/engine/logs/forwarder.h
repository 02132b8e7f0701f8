// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/logs/forward_target.h"
#include "engine/logs/log_watcher.h"
#include "engine/logs/reader.h"

namespace berth::engine {

/// Sends a container's log on to journald, syslog, fluentd or GELF: reads what the shim wrote, from a saved
/// cursor on. The container never waits for an endpoint, and nothing is lost while the endpoint or the daemon
/// is away, as far as the log's files reach back. After a failure some records may come twice.
///
/// All on the thread of the watcher's context (the stream context), but for what says otherwise.
class Forwarder {
  public:
    struct Setup {
        std::string driver;  ///< is_forwarded() is true of it
        ForwardLog log;
        LogLocation location;                         ///< as plan_log() gave it
        std::string cursor_path;                      ///< a file of the forwarder's own, beside the log
        std::chrono::milliseconds first_retry{1000};  ///< then 1.5 times as long each time, up to 30 s
    };
    /// Throws for options that validate_log_options() refuses.
    Forwarder(LogWatcher& watcher, Setup setup);
    ~Forwarder();
    Forwarder(const Forwarder&) = delete;
    Forwarder& operator=(const Forwarder&) = delete;

    /// Tries to connect, where dockerd would refuse to start the container if that fails (not for UDP, nor
    /// with fluentd-async). To be called before run(). Throws "dial tcp 127.0.0.1:24224: connect: connection
    /// refused".
    async::Task<void> check();
    /// Until finish() was called and everything is delivered. Failures of the endpoint are logged and tried
    /// again. May be cancelled: the next forwarder goes on from the cursor.
    async::Task<void> run();

    /// From any thread: nothing more will be logged.
    void finish();
    std::function<void()> finisher() const;

    struct Status {
        uint64_t sent = 0;  ///< records
        uint64_t failures = 0;
        std::string last_error;  ///< empty: the last attempt was good
    };
    const Status& status() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

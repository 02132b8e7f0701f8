// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/context.h"

namespace berth::engine {

class StateDb;

/// One event as `docker events` shows it.
struct Event {
    std::string type;    ///< "container", "image", "volume", "network", "daemon", "builder"
    std::string action;  ///< "create", "exec_start: ls -l", "health_status: healthy", …
    std::string id;      ///< of the actor
    std::map<std::string, std::string> attributes;
    int64_t time_ns = 0;
};

/// The bus of events, and the last ones of them: kept in memory (at most 1024) and, across restarts of the
/// daemon, in StateDb. Belongs to the control context.
class Events {
  public:
    explicit Events(async::Context& context, StateDb& database);
    ~Events();

    /// Takes effect at once for subscribers; never throws. The time is taken here, and strictly grows.
    void publish(std::string type, std::string action, std::string id,
                 std::map<std::string, std::string> attributes) noexcept;

    /// What was published after it was made, in order. A subscriber that lags 4096 events behind loses the
    /// oldest; next() then throws unavailable once.
    class Subscription {
      public:
        ~Subscription();
        async::Task<Event> next();

      private:
        friend class Events;
        struct State;
        explicit Subscription(std::shared_ptr<State> state);
        std::shared_ptr<State> state_;
    };
    std::unique_ptr<Subscription> subscribe();

    /// Those that are kept with since <= time <= until, oldest first.
    std::vector<std::shared_ptr<const Event>> past(std::optional<int64_t> since_ns,
                                                   std::optional<int64_t> until_ns) const;

    size_t subscribers() const;
    /// How many were published since the daemon's start, by type and action (without what follows a ':').
    const std::map<std::pair<std::string, std::string>, uint64_t>& counts() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace berth::engine

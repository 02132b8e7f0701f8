// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/forwarding.h"

#include <map>
#include <optional>

#include "base/log.h"

namespace berth::engine {

/// Everything in it is of the stream context's thread.
struct Forwarding::State : std::enable_shared_from_this<Forwarding::State> {
    State(async::Context& control_context, async::Context& stream_context)
        : control(control_context), streams(stream_context) {}

    struct Running {
        std::unique_ptr<Forwarder> forwarder;
        std::function<void()> cancel;
        uint64_t number = 0;
    };

    void start(const std::string& id, Forwarder::Setup setup);
    void finished(const std::string& id, uint64_t number, std::exception_ptr error);
    void remove(const std::string& id);

    async::Context& control;
    async::Context& streams;
    std::optional<LogWatcher> watcher;
    std::map<std::string, Running> running;
    /// What started while the forwarder of the run before was still sending: finish() can't be taken back.
    std::map<std::string, Forwarder::Setup> next;
    std::map<std::string, bool> next_ended;
    uint64_t numbers = 0;
};

void Forwarding::State::start(const std::string& id, Forwarder::Setup setup) {
    if (!watcher) watcher.emplace(streams);
    if (running.contains(id)) {
        next[id] = std::move(setup);
        next_ended[id] = false;
        return;
    }
    try {
        Running& entry = running[id];
        entry.number = ++numbers;
        entry.forwarder = std::make_unique<Forwarder>(*watcher, std::move(setup));
        std::weak_ptr<State> weak = weak_from_this();
        uint64_t number = entry.number;
        entry.cancel =
            streams.spawn_cancellable(entry.forwarder->run(), [weak, id, number](std::exception_ptr error) {
                if (auto state = weak.lock()) state->finished(id, number, error);
            });
    } catch (const std::exception& error) {
        log::warning("{}: log forwarding: {}", id.substr(0, 12), error.what());
        running.erase(id);
    }
}

void Forwarding::State::finished(const std::string& id, uint64_t number, std::exception_ptr error) {
    if (error && !async::is_cancelled(error)) {
        try {
            std::rethrow_exception(error);
        } catch (...) {
            log::error("{}: log forwarding: {}", id.substr(0, 12), current_exception_message());
        }
    }
    auto found = running.find(id);
    if (found == running.end() || found->second.number != number) return;
    running.erase(found);
    auto waiting = next.find(id);
    if (waiting == next.end()) return;
    Forwarder::Setup setup = std::move(waiting->second);
    next.erase(waiting);
    bool ended = next_ended[id];
    next_ended.erase(id);
    start(id, std::move(setup));
    if (auto again = running.find(id); ended && again != running.end()) again->second.forwarder->finish();
}

void Forwarding::State::remove(const std::string& id) {
    next.erase(id);
    next_ended.erase(id);
    auto found = running.find(id);
    if (found == running.end()) return;
    // Its state lives until the coroutine has ended; that end finds another number, or nothing.
    std::function<void()> cancel = std::move(found->second.cancel);
    running.erase(found);
    if (cancel) cancel();
}

Forwarding::Forwarding(async::Context& control, async::Context& streams)
    : state_(std::make_shared<State>(control, streams)) {}
Forwarding::~Forwarding() = default;

void Forwarding::started(const std::string& container_id, Forwarder::Setup setup) {
    auto shared = std::make_shared<Forwarder::Setup>(std::move(setup));
    state_->streams.post(
        [state = state_, container_id, shared] { state->start(container_id, std::move(*shared)); });
}

void Forwarding::ended(const std::string& container_id) {
    state_->streams.post([state = state_, container_id] {
        if (auto waiting = state->next_ended.find(container_id); waiting != state->next_ended.end()) {
            waiting->second = true;
            return;
        }
        auto found = state->running.find(container_id);
        if (found != state->running.end()) found->second.forwarder->finish();
    });
}

void Forwarding::removed(const std::string& container_id) {
    state_->streams.post([state = state_, container_id] { state->remove(container_id); });
}

async::Task<void> Forwarding::check(Forwarder::Setup setup) {
    // The check connects by itself, so the control context's loop is as good as the other.
    LogWatcher watcher(state_->control);
    Forwarder forwarder(watcher, std::move(setup));
    co_await forwarder.check();
}

}  // namespace berth::engine

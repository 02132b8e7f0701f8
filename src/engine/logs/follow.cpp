// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/follow.h"

#include <atomic>
#include <optional>

#include "base/strings.h"
#include "engine/logs/record_source.h"
#include "engine/logs/record_writer.h"

namespace berth::engine {

struct Follower::State {
    State(LogWatcher& watcher, LogLocation where, const LogReadOptions& how)
        : location(std::move(where)), options(how), writer(location, options), watch(watcher) {}

    LogLocation location;
    LogReadOptions options;
    RecordWriter writer;
    std::optional<RecordSource> source;
    LogWatch watch;
    std::shared_ptr<std::atomic<bool>> finished = std::make_shared<std::atomic<bool>>(false);
};

Follower::Follower(LogWatcher& watcher, LogLocation location, const LogReadOptions& options)
    : state_(std::make_unique<State>(watcher, std::move(location), options)) {}
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;
Follower::~Follower() = default;

Follower::More Follower::pump(LogBatch& into) {
    into.clear();
    // Asked before the files are read: what the container wrote before it ended is in them.
    bool finished = *state_->finished;
    if (!state_->source)
        state_->source.emplace(state_->location, state_->options, RecordSource::Mode::follow);
    LogRecord record;
    while (!into.full()) {
        if (state_->source->next(record)) {
            state_->writer.append(record, into);
            continue;
        }
        bool late = state_->options.until_ns != 0 && now_ns() > state_->options.until_ns;
        return finished || late || state_->source->ended() ? More::ended : More::later;
    }
    return More::now;
}

async::Task<void> Follower::wait() {
    if (!state_->source) co_return;
    async::Task<void> changed = state_->watch.wait(state_->source->file(), state_->source->inode(),
                                                   state_->location.path, state_->options.until_ns);
    co_await std::move(changed);
}

void Follower::finish() {
    finisher()();
}

std::function<void()> Follower::finisher() const {
    return [finished = state_->finished, wake = state_->watch.waker()] {
        *finished = true;
        wake();
    };
}

}  // namespace berth::engine

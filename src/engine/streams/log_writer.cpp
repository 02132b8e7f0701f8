// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/log_writer.h"

#include <array>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "engine/containers/log_plan.h"
#include "engine/logs/follow.h"
#include "engine/logs/log_options.h"
#include "engine/logs/log_watcher.h"

namespace berth::engine {

namespace {

/// Tells a follower of the container's exit, whichever of the two comes first. Made on the control context,
/// used by both.
class ExitLatch {
  public:
    void exited() {
        std::function<void()> finish;
        {
            std::lock_guard lock(mutex_);
            exited_ = true;
            finish = std::move(finish_);
        }
        if (finish) finish();
    }
    void set_finisher(std::function<void()> finish) {
        {
            std::lock_guard lock(mutex_);
            if (!exited_) {
                finish_ = std::move(finish);
                return;
            }
        }
        finish();
    }

  private:
    std::mutex mutex_;
    bool exited_ = false;
    std::function<void()> finish_;
};

LogLocation location_of(const Container& container) {
    const ContainerRecord& record = container.record();
    const std::string& driver = record.host_config.LogConfig_.Type;
    if (!is_readable(driver, spec::api::items(record.host_config.LogConfig_.Config)))
        throw Error(ErrorKind::not_implemented, "configured logging driver does not support reading");
    return container_log_plan(record, container.directory()).location;
}

async::Task<void> read_piece(LogReader& reader, LogBatch& into, bool& more) {
    auto read = [&reader, &into] { return reader.read(into); };
    more = co_await async::run_blocking(std::move(read));
}

async::Task<void> write_history(LogLocation location, LogReadOptions options, LogSink sink) {
    auto open = [&location, &options] { return LogReader(location, options); };
    LogReader reader = co_await async::run_blocking(std::move(open));
    std::array<LogBatch, 2> batches;
    bool more = false;
    size_t present = 0;
    co_await read_piece(reader, batches[present], more);
    while (more) {
        std::vector<async::Task<void>> both;
        both.push_back(sink(batches[present].view()));
        both.push_back(read_piece(reader, batches[1 - present], more));
        co_await async::all_of(std::move(both));
        present = 1 - present;
    }
}

async::Task<void> write_followed(std::shared_ptr<LogWatcher> watcher, std::shared_ptr<ExitLatch> exit,
                                 LogLocation location, LogReadOptions options, LogSink sink) {
    Follower follower(*watcher, location, options);
    exit->set_finisher(follower.finisher());
    LogBatch batch;
    while (true) {
        auto pump = [&follower, &batch] { return follower.pump(batch); };
        Follower::More more = co_await async::run_blocking(std::move(pump));
        if (!batch.empty()) co_await sink(batch.view());
        if (more == Follower::More::ended) break;
        if (more == Follower::More::later) co_await follower.wait();
    }
}

}  // namespace

/// Of the stream context's thread.
struct LogWriters::Shared {
    explicit Shared(async::Context& context) : streams(context) {}

    async::Context& streams;
    std::shared_ptr<LogWatcher> watcher;  ///< made for the first who follows

    static async::Task<void> follow(std::shared_ptr<Shared> self, std::shared_ptr<ExitLatch> exit,
                                    std::shared_ptr<void> registration, LogLocation location,
                                    LogReadOptions options, LogSink sink) {
        if (!self->watcher) self->watcher = std::make_shared<LogWatcher>(self->streams);
        std::shared_ptr<LogWatcher> watcher = self->watcher;
        co_await write_followed(std::move(watcher), std::move(exit), std::move(location), std::move(options),
                                std::move(sink));
    }
};

LogWriters::LogWriters(async::Context& control, async::Context& streams)
    : control_(control), shared_(std::make_shared<Shared>(streams)) {}

LogWriters::~LogWriters() {
    // It ends where it is used.
    async::Context& streams = shared_->streams;
    streams.post([shared = std::move(shared_)] {});
}

LogWriter LogWriters::make(Container& container, LogReadOptions options, bool follow) {
    LogLocation location = location_of(container);
    if (!follow || !container.is_running()) {
        return [location = std::move(location), options = std::move(options)](LogSink sink) {
            return write_history(location, options, std::move(sink));
        };
    }
    auto exit = std::make_shared<ExitLatch>();
    std::shared_ptr<void> registration = container.at_exit([exit] { exit->exited(); });
    // It is the control context's, and is given back there.
    auto give_back = [&control = control_, registration](void*) { control.post([registration] {}); };
    std::shared_ptr<void> kept(nullptr, std::move(give_back));
    registration.reset();
    return [shared = shared_, exit, kept = std::move(kept), location = std::move(location),
            options = std::move(options)](LogSink sink) {
        return Shared::follow(shared, exit, kept, location, options, std::move(sink));
    };
}

}  // namespace berth::engine

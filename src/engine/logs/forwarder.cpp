// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/forwarder.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/logs/record_source.h"
#include "sys/file.h"

namespace berth::engine {

BOOST_DESCRIBE_STRUCT(LogCursor, (), (inode, offset, time_ns, same))

namespace {

constexpr size_t kBatchRecords = 1000;
constexpr size_t kBatchBytes = size_t{256} * 1024;
constexpr int64_t kSaveIntervalNs = 1'000'000'000;
constexpr std::chrono::milliseconds kLongestRetry{30'000};

std::unique_ptr<ForwardTarget> make_target(const Forwarder::Setup& setup) {
    if (setup.driver == "journald") return make_journald_target(setup.log);
    if (setup.driver == "syslog") return make_syslog_target(setup.log);
    if (setup.driver == "fluentd") return make_fluentd_target(setup.log);
    if (setup.driver == "gelf") return make_gelf_target(setup.log);
    throw Error(ErrorKind::invalid_argument,
                "logger: no log driver named '" + setup.driver + "' is registered");
}

}  // namespace

struct Forwarder::State {
    State(LogWatcher& watcher, Setup given)
        : setup(std::move(given)), target(make_target(setup)), watch(watcher) {}

    void load();
    void collect();
    void add(const LogRecord& record);
    void save();
    async::Task<void> deliver();
    async::Task<bool> settle();
    static async::Task<void> run(std::shared_ptr<State> state);

    Setup setup;
    std::unique_ptr<ForwardTarget> target;
    LogWatch watch;
    std::shared_ptr<std::atomic<bool>> finished = std::make_shared<std::atomic<bool>>(false);
    Status status;

    // Of the pool's job or of the coroutine that waits for it.
    std::optional<RecordSource> source;
    std::vector<ForwardRecord> batch;
    LogCursor delivered;  ///< before it, everything is with the endpoint
    LogCursor saved;
    int64_t saved_ns = 0;
    struct Parts {
        std::string id;
        unsigned ordinal = 0;
    };
    std::array<Parts, 2> parts;  ///< of each stream's unfinished line
};

void Forwarder::State::load() {
    if (std::optional<std::string> text = sys::try_read_file(setup.cursor_path)) {
        try {
            delivered = json::decode_text<LogCursor>(*text);
        } catch (const Error&) {
            // A power cut may have left half of it: from the start again.
        }
    }
    saved = delivered;
    source.emplace(setup.location, delivered);
}

void Forwarder::State::collect() {
    if (!source) source.emplace(setup.location, delivered);
    batch.clear();
    size_t bytes = 0;
    LogRecord record;
    while (batch.size() < kBatchRecords && bytes < kBatchBytes && source->next(record)) {
        add(record);
        bytes += batch.back().text.size();
    }
}

void Forwarder::State::add(const LogRecord& record) {
    ForwardRecord& added = batch.emplace_back();
    added.stream = record.stream;
    added.time_ns = source->time_of(record);
    added.text = text_of(record);
    bool ends = added.text.ends_with('\n');
    if (ends) added.text.pop_back();
    Parts& line = parts[static_cast<size_t>(record.stream)];
    if (ends && line.ordinal == 0) return;
    if (line.ordinal == 0) line.id = random_hex(32);
    added.partial = true;
    added.partial_id = line.id;
    added.partial_ordinal = ++line.ordinal;
    added.partial_last = ends;
    if (ends) line = {};
}

void Forwarder::State::save() {
    size_t slash = setup.cursor_path.find_last_of('/');
    UniqueFd folder = sys::open_file(setup.cursor_path.substr(0, slash), O_RDONLY | O_DIRECTORY);
    sys::write_file_atomic_at(folder.get(), setup.cursor_path.substr(slash + 1),
                              json::print(json::encode(delivered)));
    saved = delivered;
    saved_ns = now_ns();
}

/// Sends the batch. Returns also where it has to be read again.
async::Task<void> Forwarder::State::deliver() {
    size_t sent = 0;
    std::chrono::milliseconds pause = setup.first_retry;
    while (sent < batch.size()) {
        size_t before = sent;
        std::string problem;
        bool again = target->resends();
        try {
            co_await target->connect();
            again = target->resends();
            co_await target->send(batch, sent);
        } catch (const Error& error) {
            problem = error.what();
        }
        status.sent += sent - before;
        if (problem.empty()) break;
        ++status.failures;
        if (problem != status.last_error)
            log::warning("{}: log driver {}: {}", setup.log.container.id.substr(0, 12), setup.driver,
                         problem);
        status.last_error = problem;
        if (sent > before) pause = setup.first_retry;
        co_await async::sleep_for(pause);
        pause = std::min(pause * 3 / 2, kLongestRetry);
        if (!again) continue;
        // What the lost connection had taken but not delivered is read once more.
        if (source->cursor() != delivered) {
            source.reset();
            auto reread = [this] { collect(); };
            co_await async::run_blocking(reread);
        }
        sent = 0;
    }
    status.last_error.clear();
    if (target->delivered())
        delivered = source->cursor();
    else if (target->lost())
        source.reset();
    if (delivered != saved && now_ns() - saved_ns > kSaveIntervalNs) {
        auto work = [this] { save(); };
        co_await async::run_blocking(work);
    }
}

/// Nothing more is to be sent by now: waits for a while until the receiver has it all. False: it has not, or
/// some must be read again.
async::Task<bool> Forwarder::State::settle() {
    constexpr int kChecks = 100;
    for (int i = 0; delivered != source->cursor(); ++i) {
        if (target->delivered()) {
            delivered = source->cursor();
            break;
        }
        if (target->lost()) source.reset();
        if (i == kChecks || !source) co_return false;
        co_await async::sleep_for(std::chrono::milliseconds(20));
    }
    if (delivered != saved) {
        auto work = [this] { save(); };
        co_await async::run_blocking(work);
    }
    co_return true;
}

Forwarder::Forwarder(LogWatcher& watcher, Setup setup) {
    validate_log_options(setup.driver, setup.log.options);
    state_ = std::make_shared<State>(watcher, std::move(setup));
}
Forwarder::~Forwarder() = default;

async::Task<void> Forwarder::check() {
    std::shared_ptr<State> state = state_;
    const ForwardLog& log = state->setup.log;
    std::string later = log.option("fluentd-async") + log.option("fluentd-async-connect");
    if (later == "true" || later == "1") co_return;
    try {
        co_await state->target->connect();
    } catch (const Error&) {
        if (state->setup.driver != "journald") throw;
        throw Error(ErrorKind::unavailable, "journald is not enabled on this host");
    }
}

async::Task<void> Forwarder::run() {
    return State::run(state_);
}

/// Static: a Forwarder may be gone before its coroutine begins.
async::Task<void> Forwarder::State::run(std::shared_ptr<State> state) {
    auto load = [&] { state->load(); };
    co_await async::run_blocking(load);
    auto collect = [&] { state->collect(); };
    while (true) {
        bool finished = *state->finished;
        co_await async::run_blocking(collect);
        if (!state->batch.empty()) {
            co_await state->deliver();
            continue;
        }
        bool settled = co_await state->settle();
        if (!settled) continue;
        if (finished) break;
        co_await state->watch.wait(state->source->file(), state->source->inode(), state->setup.location.path,
                                   0);
    }
    // Closes the connection: all is delivered.
    state->target.reset();
}

void Forwarder::finish() {
    finisher()();
}

std::function<void()> Forwarder::finisher() const {
    return [finished = state_->finished, wake = state_->watch.waker()] {
        *finished = true;
        wake();
    };
}

const Forwarder::Status& Forwarder::status() const {
    return state_->status;
}

}  // namespace berth::engine

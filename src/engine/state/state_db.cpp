// SPDX-License-Identifier: Apache-2.0
#include "engine/state/state_db.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/state/schema.h"
#include "store/metadata.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

constexpr std::chrono::milliseconds kSyncDelay{100};
/// The log is moved into the database when it has grown to this.
constexpr off_t kCheckpointBytes = 4 << 20;

db::Database open_database(const std::string& path) {
    db::Database database(path, db::Sync::full, migrations());
    // A checkpoint syncs both files: it would make somebody's write wait. Ours run in the background.
    database.execute("PRAGMA wal_autocheckpoint=0");
    return database;
}

struct Pending {
    explicit Pending(async::Context& context, StateDb::Work to_do)
        : work(std::move(to_do)), committed(context) {}
    StateDb::Work work;
    std::exception_ptr error;
    async::Event committed;
};
using Batch = std::vector<std::shared_ptr<Pending>>;

/// Each in a savepoint of one transaction: one that fails undoes its own part only.
void commit(store::Metadata& metadata, const Batch& batch) {
    try {
        metadata.write_relaxed([&](db::Database& database) {
            for (const auto& pending : batch) {
                try {
                    db::Transaction part(database);
                    pending->work(database);
                    part.commit();
                } catch (...) {
                    pending->error = std::current_exception();
                }
            }
        });
    } catch (...) {
        for (const auto& pending : batch) {
            if (!pending->error) pending->error = std::current_exception();
        }
    }
}

}  // namespace

struct StateDb::State {
    State(async::Context& on, std::string file)
        : context(on), path(std::move(file)), metadata(open_database(path)) {}

    async::Context& context;
    std::string path;
    store::Metadata metadata;
    Batch queue;
    bool flushing = false;
    bool sync_planned = false;

    /// What relaxed transactions wrote is in the write-ahead log: syncing that file makes them last, without
    /// a lock that a writer would wait for (sqlite.org/wal.html, "Performance Considerations").
    void sync_log() const {
        std::optional<UniqueFd> log = sys::try_open_at(AT_FDCWD, path + "-wal", O_RDWR);
        if (!log) return;
        sys::check(fdatasync(log->get()), [&] { return "sync " + path + "-wal"; });
    }

    void checkpoint_if_long() {
        struct stat status{};
        if (stat((path + "-wal").c_str(), &status) != 0 || status.st_size < kCheckpointBytes) return;
        metadata.configure(
            [](db::Database& database) { database.execute("PRAGMA wal_checkpoint(PASSIVE)"); });
    }
};

namespace {

template <typename State>
async::Task<void> sync_soon(std::shared_ptr<State> state) {
    co_await async::sleep_for(kSyncDelay);
    state->sync_planned = false;
    auto work = [state] {
        state->sync_log();
        state->checkpoint_if_long();
    };
    co_await async::run_blocking(std::move(work));
}

template <typename State>
async::Task<void> flush(std::shared_ptr<State> state) {
    while (!state->queue.empty()) {
        auto batch = std::make_shared<Batch>(std::exchange(state->queue, {}));
        auto work = [state, batch] { commit(state->metadata, *batch); };
        co_await async::run_blocking(std::move(work));
        for (const auto& pending : *batch) pending->committed.set();
    }
    state->flushing = false;
    if (!state->sync_planned) {
        state->sync_planned = true;
        state->context.spawn("sync " + state->path, sync_soon(state));
    }
}

template <typename State>
std::shared_ptr<Pending> enqueue(const std::shared_ptr<State>& state, StateDb::Work work) {
    auto pending = std::make_shared<Pending>(state->context, std::move(work));
    state->queue.push_back(pending);
    if (!state->flushing) {
        state->flushing = true;
        state->context.spawn("write " + state->path, flush(state));
    }
    return pending;
}

async::Task<void> log_failure(std::string what, std::shared_ptr<Pending> pending) {
    co_await pending->committed.wait();
    if (!pending->error) co_return;
    try {
        std::rethrow_exception(pending->error);
    } catch (...) {
        log::error("{}: {}", what, current_exception_message());
    }
}

}  // namespace

StateDb::StateDb(async::Context& context, const std::string& path)
    : state_(std::make_shared<State>(context, path)) {}

StateDb::~StateDb() {
    try {
        commit(state_->metadata, std::exchange(state_->queue, {}));
        state_->sync_log();
    } catch (...) {
        log::error("closing {}: {}", state_->path, current_exception_message());
    }
}

async::Task<void> StateDb::write(Work work) {
    std::shared_ptr<Pending> pending = enqueue(state_, std::move(work));
    co_await pending->committed.wait();
    if (pending->error) std::rethrow_exception(pending->error);
}

void StateDb::write_later(std::string what, Work work) {
    std::shared_ptr<Pending> pending = enqueue(state_, std::move(work));
    state_->context.spawn(what, log_failure(what, pending));
}

async::Task<void> StateDb::sync() {
    auto state = state_;
    auto work = [state] { state->sync_log(); };
    co_await async::run_blocking(std::move(work));
}

void StateDb::read(const Work& work) {
    state_->metadata.read(work);
}

}  // namespace berth::engine

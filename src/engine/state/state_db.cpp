// SPDX-License-Identifier: Apache-2.0
#include "engine/state/state_db.h"

#include <chrono>
#include <utility>
#include <vector>

#include "async/thread.h"
#include "base/log.h"
#include "engine/state/schema.h"
#include "store/metadata.h"
#include "store/space.h"

namespace berth::engine {
namespace {

constexpr std::chrono::milliseconds kSyncDelay{100};

struct Pending {
    explicit Pending(async::Context& context, StateDb::Work to_do)
        : work(std::move(to_do)), committed(context) {}
    StateDb::Work work;
    std::exception_ptr error;
    async::Event committed;
};
using Writes = std::vector<std::shared_ptr<Pending>>;
struct Batch {
    Writes writes;
    bool is_done = false;
};

/// Each in a savepoint of one transaction: one that fails undoes its own part only. A full disk fails all.
void write_parts(db::Database& database, const Writes& writes) {
    for (const auto& pending : writes) {
        pending->error = nullptr;
        try {
            db::Transaction part(database);
            pending->work(database);
            part.commit();
        } catch (const Error& error) {
            if (store::is_out_of_space(error)) throw;
            pending->error = std::current_exception();
        } catch (...) {
            pending->error = std::current_exception();
        }
    }
}

/// On a full disk with the store's reserve: exits have to be known, and what is removed has to go.
void commit(store::Metadata& metadata, const store::Reserve& reserve, Batch& batch) {
    batch.is_done = true;
    try {
        store::with_reserve(reserve, [&] {
            metadata.write_relaxed([&](db::Database& database) { write_parts(database, batch.writes); });
        });
    } catch (...) {
        for (const auto& pending : batch.writes) {
            if (!pending->error) pending->error = std::current_exception();
        }
    }
}

store::Reserve reserve_beside(const std::string& path) {
    return store::Reserve(path.substr(0, path.rfind('/')));
}

db::Database open_database(const std::string& path) {
    return store::with_reserve(reserve_beside(path),
                               [&] { return db::Database(path, db::Sync::full, migrations()); });
}

}  // namespace

struct StateDb::State {
    State(async::Context& on, std::string file)
        : context(on), path(std::move(file)), metadata(open_database(path)) {
        metadata.take_over_checkpoints();
    }

    async::Context& context;
    std::string path;
    store::Metadata metadata;
    store::Reserve reserve = reserve_beside(path);
    Writes queue;
    std::shared_ptr<Batch> under_way;
    /// Its own: the pool may be full of what waits for a file server that is gone.
    async::Thread writer{"state", 1};
    bool flushing = false;
    bool sync_planned = false;

    std::vector<std::function<void()>> syncs;  ///< of sync_also()

    void sync_all() {
        for (const auto& other : syncs) other();
        metadata.sync();
    }
};

namespace {

template <typename State>
async::Task<void> sync_soon(std::shared_ptr<State> state) {
    co_await async::sleep_for(kSyncDelay);
    state->sync_planned = false;
    auto work = [state] { state->sync_all(); };
    co_await async::run_blocking(std::move(work));
}

async::Task<void> perform(std::function<void()> work) {
    work();
    co_return;
}

template <typename State>
async::Task<void> flush(std::shared_ptr<State> state) {
    while (!state->queue.empty()) {
        auto batch = std::make_shared<Batch>(Batch{.writes = std::exchange(state->queue, {})});
        state->under_way = batch;
        std::function<void()> work = [state, batch] { commit(state->metadata, state->reserve, *batch); };
        async::Task<void> job = perform(std::move(work));
        co_await async::run_on(state->writer.context(), std::move(job));
        state->under_way = nullptr;
        for (const auto& pending : batch->writes) pending->committed.set();
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
        state_->writer.stop();
        if (state_->under_way && !state_->under_way->is_done)
            commit(state_->metadata, state_->reserve, *state_->under_way);
        Batch rest{.writes = std::exchange(state_->queue, {})};
        commit(state_->metadata, state_->reserve, rest);
        state_->sync_all();
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
    auto work = [state] { state->sync_all(); };
    co_await async::run_blocking(std::move(work));
}

void StateDb::sync_also(std::function<void()> sync) {
    state_->syncs.push_back(std::move(sync));
}

void StateDb::read(const Work& work) {
    state_->metadata.read(work);
}

}  // namespace berth::engine

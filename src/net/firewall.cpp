// SPDX-License-Identifier: Apache-2.0
#include "net/firewall.h"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "async/descriptor.h"
#include "async/thread.h"
#include "base/error.h"
#include "base/log.h"
#include "net/firewall_table.h"

namespace berth::net {
namespace {

/// Others' chains come in many messages and often again (a reload of ufw): looked at once they are done.
constexpr std::chrono::milliseconds kSettle{200};

/// What the firewall's thread owns. The watch's coroutine lives on that thread as long as the thread.
struct Worker {
    std::optional<FirewallTable> table;
    std::optional<async::Descriptor> watched;
    bool update_planned = false;
};

async::Task<void> update_soon(std::shared_ptr<Worker> worker) {
    co_await async::sleep_for(kSettle);
    worker->update_planned = false;
    if (worker->watched) worker->table->update_others();
}

async::Task<void> watch(std::shared_ptr<Worker> worker) {
    while (worker->watched) {
        co_await worker->watched->wait_readable();
        if (!worker->watched) co_return;
        if (!worker->table->look() || worker->update_planned) continue;
        worker->update_planned = true;
        co_await async::spawn("look at others' chains", update_soon(worker));
    }
}

async::Task<void> watch_until_stopped(std::shared_ptr<Worker> worker) {
    try {
        co_await watch(worker);
    } catch (const Error& error) {
        if (worker->watched) throw;
    }
}

async::Task<void> begin(std::shared_ptr<Worker> worker, async::Context& own, Firewall::Options options,
                        FirewallChange all) {
    worker->watched.reset();
    worker->table.reset();
    try {
        worker->table.emplace(options);
        worker->table->replace(all);
        worker->watched.emplace(own, worker->table->watch_descriptor());
    } catch (...) {
        worker->table.reset();
        throw;
    }
    co_await async::spawn("watch packet rules", watch_until_stopped(worker));
}

async::Task<void> perform(std::function<void()> work) {
    work();
    co_return;
}

struct Pending {
    Pending(async::Context& context, FirewallChange what) : change(std::move(what)), done(context) {}
    FirewallChange change;
    std::exception_ptr error;
    async::Event done;
};

void apply_all(Worker& worker, const std::vector<std::shared_ptr<Pending>>& batch) {
    if (!worker.table) throw Error(ErrorKind::unavailable, "packet rules are no longer kept");
    std::vector<const FirewallChange*> changes;
    for (const auto& pending : batch) changes.push_back(&pending->change);
    std::vector<std::exception_ptr> failures = worker.table->apply(changes);
    for (size_t i = 0; i < batch.size(); ++i) batch[i]->error = failures[i];
}

}  // namespace

bool FirewallChange::is_empty() const {
    return bridges.empty() && removed_bridges.empty() && ports.empty() && removed_ports.empty() &&
           services.empty() && removed_services.empty() && addresses.empty() && removed_addresses.empty() &&
           links.empty() && removed_links.empty() && legs.empty() && removed_legs.empty() &&
           spliced.empty() && removed_spliced.empty() && closed.empty() && separated.empty() &&
           unseparated.empty();
}

struct Firewall::State {
    State(async::Context& on, Options chosen) : context(on), options(std::move(chosen)) {}

    enum class Phase { not_started, running, failed, stopped };

    async::Context& context;
    Options options;
    Phase phase = Phase::not_started;
    std::string failure;
    std::vector<std::shared_ptr<Pending>> queue;
    bool flushing = false;
    std::shared_ptr<Worker> worker = std::make_shared<Worker>();
    /// Made by start(): who makes no rules needs none.
    std::optional<async::Thread> thread;

    bool is_switched_off() const { return !options.enable4 && !options.enable6; }

    async::Task<void> on_thread(std::function<void()> work) {
        async::Task<void> job = perform(std::move(work));
        co_await async::run_on(thread->context(), std::move(job));
    }
};

namespace {

template <typename State>
async::Task<void> flush(std::shared_ptr<State> state) {
    while (!state->queue.empty()) {
        std::vector<std::shared_ptr<Pending>> batch = std::exchange(state->queue, {});
        std::exception_ptr failure;
        std::function<void()> work = [worker = state->worker, batch] { apply_all(*worker, batch); };
        try {
            co_await state->on_thread(std::move(work));
        } catch (...) {
            failure = std::current_exception();
        }
        for (const auto& pending : batch) {
            if (failure && !pending->error) pending->error = failure;
            pending->done.set();
        }
    }
    state->flushing = false;
}

}  // namespace

Firewall::Firewall(async::Context& context, Options options)
    : state_(std::make_shared<State>(context, std::move(options))) {}

Firewall::~Firewall() {
    if (!state_->thread) return;
    state_->thread->stop();
    state_->worker->watched.reset();
}

async::Task<void> Firewall::start(FirewallChange all) {
    auto state = state_;
    if (state->is_switched_off()) {
        state->phase = State::Phase::running;
        co_return;
    }
    if (!state->thread) state->thread.emplace("firewall", 1);
    async::Context& own = state->thread->context();
    async::Task<void> job = begin(state->worker, own, state->options, std::move(all));
    // What is applied meanwhile comes after it on that thread.
    state->phase = State::Phase::running;
    try {
        co_await async::run_on(own, std::move(job));
    } catch (const Error& error) {
        state->phase = State::Phase::failed;
        state->failure = error.what();
        throw;
    }
}

void Firewall::require() const {
    if (state_->phase == State::Phase::failed) throw Error(ErrorKind::unavailable, state_->failure);
}

async::Task<void> Firewall::apply(FirewallChange change) {
    auto state = state_;
    if (state->is_switched_off() || change.is_empty()) co_return;
    require();
    if (state->phase != State::Phase::running) co_return;
    auto pending = std::make_shared<Pending>(state->context, std::move(change));
    state->queue.push_back(pending);
    if (!state->flushing) {
        state->flushing = true;
        state->context.spawn("change packet rules", flush(state));
    }
    co_await pending->done.wait();
    if (pending->error) std::rethrow_exception(pending->error);
}

async::Task<void> Firewall::stop(bool remove_table) {
    auto state = state_;
    if (state->is_switched_off() || state->phase != State::Phase::running) co_return;
    state->phase = State::Phase::stopped;
    std::function<void()> work = [worker = state->worker, remove_table] {
        worker->watched.reset();
        worker->table->remove(remove_table);
        worker->table.reset();
    };
    co_await state->on_thread(std::move(work));
}

async::Task<std::vector<Firewall::OtherChain>> Firewall::other_chains() {
    auto state = state_;
    auto chains = std::make_shared<std::vector<OtherChain>>();
    if (state->is_switched_off() || state->phase != State::Phase::running) co_return *chains;
    std::function<void()> work = [worker = state->worker, chains] {
        *chains = worker->table->other_chains();
    };
    co_await state->on_thread(std::move(work));
    co_return std::move(*chains);
}

}  // namespace berth::net

// SPDX-License-Identifier: Apache-2.0
#include "engine/stats/sampler.h"

#include <unistd.h>

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/stats/sample.h"
#include "runtime/state.h"

namespace berth::engine {

namespace {

constexpr std::chrono::seconds kTick{1};
constexpr int kTicksUnwatched = 10;

using Stats = spec::api::StatsResponse;

uint64_t memory_total() {
    return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// By the state that the runtime keeps; nothing where the container is gone.
std::optional<sys::Cgroup> find_cgroup(const std::string& runtime_root, const std::string& id) {
    std::optional<UniqueFd> dir = runtime::find_state_dir(runtime_root, id);
    if (!dir) return std::nullopt;
    std::optional<runtime::StateRecord> record = runtime::load_state(dir->get());
    if (!record || record->cgroupPaths.empty()) return std::nullopt;
    return sys::Cgroup::open(record->cgroupPaths);
}

/// With its time, by which streams tell what is newer; 0 for a skeleton.
struct Reading {
    int64_t time_ns = 0;
    Stats stats;
};

Reading skeleton(const Container& container) {
    Reading reading;
    reading.stats.name = '/' + container.record().name;
    reading.stats.id = container.id();
    return reading;
}

/// One container in a pass over them: what to do, and what came of it.
struct Visit {
    std::string id;
    int64_t generation = 0;
    bool full = false;  ///< else the processor time alone
    std::optional<pid_t> network_pid;
    std::optional<sys::Cgroup> cgroup;
    std::optional<Sample> sampled;
    std::optional<CpuSample> sampled_cpu;
};

void run_pass(const std::string& runtime_root, std::vector<Visit>& visits) {
    HostCpu host = read_host_cpu();
    for (Visit& visit : visits) {
        try {
            if (!visit.cgroup) visit.cgroup = find_cgroup(runtime_root, visit.id);
            if (!visit.cgroup) continue;
            if (visit.full)
                visit.sampled = sample(*visit.cgroup, host, visit.network_pid);
            else
                visit.sampled_cpu = sample_cpu(cpu_part(*visit.cgroup), host);
        } catch (const std::exception& error) {
            log::debug("sampling container {}: {}", visit.id, error.what());
        }
    }
}

}  // namespace

struct StatsSampler::Watch::State {
    State(async::Context& context, std::shared_ptr<Container> of)
        : container(std::move(of)), arrived(context) {}

    std::weak_ptr<StatsSampler::State> owner;
    std::shared_ptr<Container> container;
    bool is_first = true;
    Reading previous;  ///< what next() gave last
    std::optional<Reading> latest;
    bool is_over = false;
    async::Event arrived;

    /// As one stream has them: each sample refers to the one before it in the same stream.
    Stats hand_out(Reading reading) {
        if (reading.time_ns > 0 && previous.time_ns > 0) {
            reading.stats.preread = previous.stats.read;
            reading.stats.precpu_stats = previous.stats.cpu_stats;
        }
        previous = std::move(reading);
        return previous.stats;
    }
};

struct StatsSampler::State {
    State(async::Context& loop, Containers& of, std::string root)
        : control(loop),
          containers(of),
          runtime_root(std::move(root)),
          total_memory(memory_total()),
          watched(loop) {}

    /// What is kept of a container that runs: of one life of it.
    struct Entry {
        int64_t generation = 0;
        std::optional<sys::Cgroup> cgroup;
        std::optional<CpuSample> last;
    };

    async::Context& control;
    Containers& containers;
    std::string runtime_root;
    uint64_t total_memory;
    std::map<std::string, Entry> entries;
    std::vector<std::weak_ptr<Watch::State>> watches;
    async::Event watched;  ///< somebody has begun to watch
    bool is_closed = false;

    Visit visit_for(const Container& container, bool full);
    std::optional<Reading> take(Visit& visit, const Container& container, bool one_shot);
    std::map<std::string, std::vector<std::shared_ptr<Watch::State>>> watchers();
    void forget_ended();
    void publish(std::vector<Visit>& visits);
    static async::Task<Reading> sample_now(std::shared_ptr<State> self, std::shared_ptr<Container> container,
                                           bool one_shot);
    static async::Task<void> pass(std::shared_ptr<State> self, bool all);
    static async::Task<void> run(std::shared_ptr<State> self);
};

Visit StatsSampler::State::visit_for(const Container& container, bool full) {
    Entry& entry = entries[container.id()];
    if (entry.generation != container.state().generation)
        entry = {.generation = container.state().generation, .cgroup = {}, .last = {}};
    Visit visit;
    visit.id = container.id();
    visit.generation = entry.generation;
    visit.full = full;
    visit.cgroup = entry.cgroup;
    if (container.record().host_config.NetworkMode != "host") visit.network_pid = container.state().pid;
    return visit;
}

/// Remembers what a pass found, and gives it in Docker's form. Nothing where the container has ended
/// meanwhile.
std::optional<Reading> StatsSampler::State::take(Visit& visit, const Container& container, bool one_shot) {
    if (!container.is_running() || container.state().generation != visit.generation) return std::nullopt;
    Entry& entry = entries[visit.id];
    if (entry.generation != visit.generation)
        entry = {.generation = visit.generation, .cgroup = {}, .last = {}};
    entry.cgroup = visit.cgroup;
    if (visit.sampled_cpu) entry.last = visit.sampled_cpu;
    if (!visit.sampled) return std::nullopt;
    // Two passes may be under way, and end in any order.
    bool is_newer = !entry.last || entry.last->time_ns < visit.sampled->time_ns;
    CpuSample before =
        entry.last && is_newer ? *entry.last : at_start(*visit.sampled, container.state().started_ns);
    if (is_newer) entry.last = static_cast<const CpuSample&>(*visit.sampled);
    Reading reading;
    reading.time_ns = visit.sampled->time_ns;
    reading.stats = to_wire(*visit.sampled, one_shot ? nullptr : &before, total_memory);
    reading.stats.name = '/' + container.record().name;
    reading.stats.id = container.id();
    return reading;
}

std::map<std::string, std::vector<std::shared_ptr<StatsSampler::Watch::State>>>
StatsSampler::State::watchers() {
    std::map<std::string, std::vector<std::shared_ptr<Watch::State>>> result;
    std::erase_if(watches, [&](const std::weak_ptr<Watch::State>& weak) {
        std::shared_ptr<Watch::State> watch = weak.lock();
        if (watch) result[watch->container->id()].push_back(watch);
        return !watch;
    });
    return result;
}

void StatsSampler::State::forget_ended() {
    std::erase_if(entries, [&](const auto& entry) {
        std::shared_ptr<Container> container = containers.find(entry.first);
        return !container || !container->is_running();
    });
}

async::Task<Reading> StatsSampler::State::sample_now(std::shared_ptr<State> self,
                                                     std::shared_ptr<Container> container, bool one_shot) {
    if (!container->is_running()) co_return skeleton(*container);
    auto visits = std::make_shared<std::vector<Visit>>();
    visits->push_back(self->visit_for(*container, true));
    std::function<void()> work = [visits, root = self->runtime_root] { run_pass(root, *visits); };
    co_await async::run_blocking(std::move(work));
    std::optional<Reading> reading = self->take(visits->front(), *container, one_shot);
    if (!reading) reading = skeleton(*container);
    co_return std::move(*reading);
}

/// Those that are watched, and with `all` the processor time of the others.
async::Task<void> StatsSampler::State::pass(std::shared_ptr<State> self, bool all) {
    auto visits = std::make_shared<std::vector<Visit>>();
    auto watchers = self->watchers();
    for (const auto& [id, watches] : watchers)
        if (watches.front()->container->is_running())
            visits->push_back(self->visit_for(*watches.front()->container, true));
    if (all) {
        self->forget_ended();
        for (const std::shared_ptr<Container>& container : self->containers.all())
            if (container->is_running() && !watchers.contains(container->id()))
                visits->push_back(self->visit_for(*container, false));
    }
    watchers.clear();
    if (!visits->empty()) {
        std::function<void()> work = [visits, root = self->runtime_root] { run_pass(root, *visits); };
        co_await async::run_blocking(std::move(work));
    }
    if (!self->is_closed) self->publish(*visits);
}

void StatsSampler::State::publish(std::vector<Visit>& visits) {
    std::map<std::string, Reading> sampled;
    for (Visit& visit : visits)
        if (std::shared_ptr<Container> container = containers.find(visit.id))
            if (std::optional<Reading> reading = take(visit, *container, false))
                sampled.emplace(visit.id, std::move(*reading));
    for (const auto& [id, of_one] : watchers()) {
        std::shared_ptr<Container> container = containers.find(id);
        auto found = sampled.find(id);
        std::optional<Reading> reading;
        if (found != sampled.end())
            reading = found->second;
        else if (container && !container->is_running())
            reading = skeleton(*container);
        for (const std::shared_ptr<Watch::State>& watch : of_one) {
            watch->is_over = !container;
            if (reading) watch->latest = reading;
            if (reading || watch->is_over) watch->arrived.set();
        }
    }
}

async::Task<void> StatsSampler::State::run(std::shared_ptr<State> self) {
    for (int ticks = 0; !self->is_closed; ticks = (ticks + 1) % kTicksUnwatched) {
        try {
            co_await pass(self, ticks == 0);
        } catch (const Error& error) {
            log::warning("sampling containers: {}", error.what());
        }
        self->watched.reset();
        if (self->watches.empty() && !self->is_closed) {
            // Nobody looks on: one wake-up in ten seconds will do.
            std::vector<async::Task<void>> either;
            either.push_back(async::sleep_for(kTick * (kTicksUnwatched - 1)));
            either.push_back(self->watched.wait());
            size_t first = co_await async::any_of(std::move(either));
            if (first == 0) ticks = kTicksUnwatched - 1;
        }
        // A watcher's first sample is its own affair; the next is due a second later.
        if (!self->is_closed) co_await async::sleep_for(kTick);
    }
}

StatsSampler::StatsSampler(async::Context& control, Containers& containers, std::string runtime_root)
    : state_(std::make_shared<State>(control, containers, std::move(runtime_root))) {
    control.spawn("container statistics", State::run(state_));
}

StatsSampler::~StatsSampler() {
    state_->is_closed = true;
    state_->watched.set();
}

async::Task<Stats> StatsSampler::once(std::string reference, bool one_shot) {
    std::shared_ptr<Container> container = state_->containers.get(reference);
    Reading reading = co_await State::sample_now(state_, std::move(container), one_shot);
    co_return std::move(reading.stats);
}

std::unique_ptr<StatsSampler::Watch> StatsSampler::watch(std::string reference) {
    auto watch = std::make_shared<Watch::State>(state_->control, state_->containers.get(reference));
    watch->owner = state_;
    state_->watches.push_back(watch);
    state_->watched.set();
    return std::unique_ptr<Watch>(new Watch(std::move(watch)));
}

StatsSampler::Watch::Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}
StatsSampler::Watch::~Watch() = default;

async::Task<std::optional<Stats>> StatsSampler::Watch::next() {
    std::shared_ptr<State> watch = state_;
    if (std::exchange(watch->is_first, false)) {
        std::shared_ptr<StatsSampler::State> owner = watch->owner.lock();
        if (!owner) co_return std::nullopt;
        Reading first = co_await StatsSampler::State::sample_now(std::move(owner), watch->container, false);
        co_return watch->hand_out(std::move(first));
    }
    while (true) {
        std::optional<Reading> reading = std::exchange(watch->latest, std::nullopt);
        bool is_old = reading && reading->time_ns > 0 && reading->time_ns <= watch->previous.time_ns;
        if (reading && !is_old) co_return watch->hand_out(std::move(*reading));
        if (watch->is_over) co_return std::nullopt;
        watch->arrived.reset();
        co_await watch->arrived.wait();
    }
}

}  // namespace berth::engine

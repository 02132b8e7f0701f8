// SPDX-License-Identifier: Apache-2.0
#include "engine/system/events.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/state/state_db.h"

namespace berth::engine {

namespace {

constexpr size_t kKept = 1024;
constexpr size_t kLag = 4096;
constexpr int64_t kKeptFor_ns = 24LL * 3600 * 1'000'000'000;
/// Events come in bursts (a start gives several): so long they are gathered before they are written.
constexpr std::chrono::milliseconds kWriteDelay{100};

using EventPtr = std::shared_ptr<const Event>;

std::string encode_event(const Event& event) {
    json::Object attributes;
    for (const auto& [key, value] : event.attributes) attributes[key] = value;
    json::Object body;
    body["type"] = event.type;
    body["action"] = event.action;
    body["id"] = event.id;
    body["attributes"] = std::move(attributes);
    return json::print(body);
}

EventPtr decode_event(int64_t time_ns, const std::string& text) {
    json::Value value = json::parse(text);
    const json::Object& body = value.as_object();
    auto event = std::make_shared<Event>();
    event->type = body.at("type").as_string();
    event->action = body.at("action").as_string();
    event->id = body.at("id").as_string();
    for (const auto& member : body.at("attributes").as_object())
        event->attributes.emplace(std::string(member.key()), std::string(member.value().as_string()));
    event->time_ns = time_ns;
    return event;
}

}  // namespace

struct Events::Subscription::State {
    explicit State(async::Context& context) : arrived(context) {}

    std::deque<EventPtr> waiting;
    bool lagged = false;
    async::Event arrived;
};

struct Events::State {
    State(async::Context& loop, StateDb& writes_to) : context(loop), database(writes_to) {}

    async::Context& context;
    StateDb& database;
    std::deque<EventPtr> kept;
    std::vector<EventPtr> unwritten;
    bool is_writing_soon = false;
    bool is_closed = false;
    int64_t last_ns = 0;
    std::vector<std::weak_ptr<Subscription::State>> subscribers;
    std::map<std::pair<std::string, std::string>, uint64_t> counts;

    void load();
    void keep(EventPtr event);
    void write();
    static async::Task<void> write_soon(std::shared_ptr<State> self);
};

void Events::State::load() {
    int64_t oldest = now_ns() - kKeptFor_ns;
    database.read([&](db::Database& from) {
        db::Statement rows =
            from.prepare("SELECT time_ns, body FROM events WHERE time_ns >= ? ORDER BY id").with(oldest);
        while (rows.step()) {
            try {
                keep(decode_event(rows.integer(0), rows.text(1)));
            } catch (const std::exception& error) {
                log::warning("an event of the past can't be read: {}", error.what());
            }
        }
    });
    if (!kept.empty()) last_ns = kept.back()->time_ns;
}

void Events::State::keep(EventPtr event) {
    kept.push_back(std::move(event));
    if (kept.size() > kKept) kept.pop_front();
}

void Events::State::write() {
    if (unwritten.empty()) return;
    auto batch = std::make_shared<std::vector<EventPtr>>(std::exchange(unwritten, {}));
    database.write_later("writing events", [batch](db::Database& to) {
        for (const EventPtr& event : *batch)
            to.run("INSERT INTO events(time_ns, body) VALUES(?, ?)", event->time_ns, encode_event(*event));
        to.run("DELETE FROM events WHERE time_ns < ? OR id <= (SELECT max(id) FROM events) - ?",
               batch->back()->time_ns - kKeptFor_ns, static_cast<int64_t>(kKept));
    });
}

async::Task<void> Events::State::write_soon(std::shared_ptr<State> self) {
    co_await async::sleep_for(kWriteDelay);
    self->is_writing_soon = false;
    if (!self->is_closed) self->write();
}

Events::Events(async::Context& context, StateDb& database)
    : state_(std::make_shared<State>(context, database)) {
    state_->load();
}

Events::~Events() {
    state_->is_closed = true;
    try {
        state_->write();
    } catch (const std::exception& error) {
        log::warning("writing events: {}", error.what());
    }
}

void Events::publish(std::string type, std::string action, std::string id,
                     std::map<std::string, std::string> attributes) noexcept {
    try {
        auto event = std::make_shared<Event>(Event{
            .type = std::move(type),
            .action = std::move(action),
            .id = std::move(id),
            .attributes = std::move(attributes),
            .time_ns = std::max(now_ns(), state_->last_ns + 1),
        });
        state_->last_ns = event->time_ns;
        ++state_->counts[{event->type, event->action.substr(0, event->action.find(':'))}];
        state_->keep(event);
        state_->unwritten.push_back(event);
        std::erase_if(state_->subscribers, [&](const std::weak_ptr<Subscription::State>& weak) {
            std::shared_ptr<Subscription::State> subscriber = weak.lock();
            if (!subscriber) return true;
            subscriber->waiting.push_back(event);
            if (subscriber->waiting.size() > kLag) {
                subscriber->waiting.pop_front();
                subscriber->lagged = true;
            }
            subscriber->arrived.set();
            return false;
        });
        if (!std::exchange(state_->is_writing_soon, true))
            state_->context.spawn("writing events", State::write_soon(state_));
    } catch (const std::exception& error) {
        log::error("publishing an event: {}", error.what());
    }
}

std::unique_ptr<Events::Subscription> Events::subscribe() {
    auto state = std::make_shared<Subscription::State>(state_->context);
    state_->subscribers.push_back(state);
    return std::unique_ptr<Subscription>(new Subscription(std::move(state)));
}

std::vector<std::shared_ptr<const Event>> Events::past(std::optional<int64_t> since_ns,
                                                       std::optional<int64_t> until_ns) const {
    std::vector<EventPtr> found;
    for (const EventPtr& event : state_->kept)
        if ((!since_ns || event->time_ns >= *since_ns) && (!until_ns || event->time_ns <= *until_ns))
            found.push_back(event);
    return found;
}

size_t Events::subscribers() const {
    const auto& all = state_->subscribers;
    return static_cast<size_t>(
        std::count_if(all.begin(), all.end(), [](const auto& one) { return !one.expired(); }));
}

const std::map<std::pair<std::string, std::string>, uint64_t>& Events::counts() const {
    return state_->counts;
}

Events::Subscription::Subscription(std::shared_ptr<State> state) : state_(std::move(state)) {}
Events::Subscription::~Subscription() = default;

async::Task<Event> Events::Subscription::next() {
    std::shared_ptr<State> state = state_;
    while (state->waiting.empty() && !state->lagged) {
        state->arrived.reset();
        co_await state->arrived.wait();
    }
    if (std::exchange(state->lagged, false))
        throw Error(ErrorKind::unavailable, "events were lost: the reader is too slow");
    Event event = *state->waiting.front();
    state->waiting.pop_front();
    co_return event;
}

}  // namespace berth::engine

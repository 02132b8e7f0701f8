// SPDX-License-Identifier: Apache-2.0
#include "cli/container/stats_board.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "cli/format/object_name.h"
#include "cli/format/units.h"
#include "cli/output.h"

namespace berth::cli {

using Clock = std::chrono::steady_clock;

struct StatsBoard::Entry {
    Entry(async::Context& context, std::string container) : settled(context) {
        sample.container = std::move(container);
        sample.is_valid = false;
    }

    StatsSample sample;
    std::string error;       ///< "" while all is well
    Clock::time_point at{};  ///< of the sample
    async::Event settled;    ///< there is a sample or an error
    std::function<void()> cancel = [] {};
};

StatsBoard::~StatsBoard() {
    for (const auto& entry : entries_) entry->cancel();
}

async::Task<void> StatsBoard::collect(client::Engine& engine, std::shared_ptr<Entry> entry, bool is_stream) {
    try {
        client::Request request;
        request.path = object_path("container", entry->sample.container, "/stats");
        request.query.emplace_back("stream", is_stream ? "1" : "0");
        std::unique_ptr<client::Response> response = co_await engine.send(std::move(request));
        while (std::optional<json::Value> answer = co_await response->next_json()) {
            entry->sample = StatsSample::from(entry->sample.container, *answer);
            entry->at = Clock::now();
            entry->settled.set();
            if (!is_stream) co_return;
        }
        entry->error = "EOF";
    } catch (const Error& error) {
        entry->error = error_line(error);
    }
    entry->sample.is_valid = false;
    entry->settled.set();
}

void StatsBoard::add(const std::string& container) {
    bool is_there = std::any_of(entries_.begin(), entries_.end(),
                                [&](const auto& entry) { return entry->sample.container == container; });
    if (is_there) return;
    auto entry = std::make_shared<Entry>(context_, container);
    entry->cancel =
        context_.spawn_cancellable(collect(engine_, entry, is_stream_), [](std::exception_ptr) {});
    entries_.push_back(std::move(entry));
}

void StatsBoard::remove(std::string_view container) {
    auto entry = std::find_if(entries_.begin(), entries_.end(),
                              [&](const auto& each) { return each->sample.container == container; });
    if (entry == entries_.end()) return;
    (*entry)->cancel();
    entries_.erase(entry);
}

async::Task<void> StatsBoard::wait_for_first(std::shared_ptr<Entry> entry) {
    try {
        co_await async::with_timeout(kPatience, "waiting for stats", entry->settled.wait());
    } catch (const Error&) {
        if (!entry->settled.is_set()) entry->error = "timeout waiting for stats";
    }
}

async::Task<void> StatsBoard::wait_for_all() {
    std::vector<async::Task<void>> waits;
    for (const auto& entry : entries_) waits.push_back(wait_for_first(entry));
    co_await async::all_of(std::move(waits));
}

async::Task<void> StatsBoard::follow_events(bool all, std::shared_ptr<async::Event> subscribed) {
    client::Request request;
    request.path = "/events";
    request.query.emplace_back("filters", client::filters_json({"type=container"}));
    std::unique_ptr<client::Response> response = co_await engine_.send(std::move(request));
    subscribed->set();
    while (std::optional<json::Value> event = co_await response->next_json()) {
        std::string action = client::text_at(*event, "Action");
        std::string container = short_id(client::text_at(*event, "Actor.ID"));
        if (container.empty()) continue;
        if (action == "start" || (all && action == "create")) add(container);
        if (action == (all ? "destroy" : "die")) remove(container);
    }
}

std::vector<StatsSample> StatsBoard::samples() const {
    std::vector<StatsSample> samples;
    for (const auto& entry : entries_) {
        samples.push_back(entry->sample);
        if (Clock::now() - entry->at > kPatience) samples.back().is_valid = false;
    }
    return samples;
}

std::string StatsBoard::errors() const {
    std::string text;
    for (const auto& entry : entries_)
        if (!entry->error.empty()) text.append(text.empty() ? "" : "\n").append(entry->error);
    return text;
}

}  // namespace berth::cli

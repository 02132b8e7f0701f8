// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "api/event_filter.h"
#include "api/routes.h"
#include "api/system_shapes.h"
#include "async/context.h"
#include "base/strings.h"
#include "engine/engine.h"
#include "engine/system/events.h"
#include "engine/system/system.h"
#include "engine/system/timestamp.h"

namespace berth::api {

namespace {

constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

void set_ping_headers(Call& call) {
    call.response.headers.set("Builder-Version", "1");
    call.response.headers.set("Swarm", "inactive");
    call.response.headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    call.response.headers.set("Pragma", "no-cache");
    call.response.headers.set("Content-Type", "text/plain; charset=utf-8");
}

async::Task<void> ping(Call& call) {
    set_ping_headers(call);
    co_await call.response.send("OK");
}

async::Task<void> ping_head(Call& call) {
    set_ping_headers(call);
    call.response.headers.set("Content-Length", "0");
    co_await call.response.send();
}

async::Task<void> show_version(Call& call) {
    json::Value version = spec::api::encode_version(call.engine.system().version());
    co_await call.send_json(std::move(version));
}

async::Task<void> show_info(Call& call) {
    spec::api::Info info = co_await call.engine.system().info();
    co_await call.send_json(encode_info_for(std::move(info), call.version));
}

engine::DiskUsageParts wanted_parts(const Call& call) {
    engine::DiskUsageParts parts;
    std::vector<std::string_view> types = call.request.query.all("type");
    if (call.version < ApiVersion{1, 42} || types.empty()) return parts;
    parts = {.images = false, .containers = false, .volumes = false, .build_cache = false};
    for (std::string_view type : types) {
        if (type == "image")
            parts.images = true;
        else if (type == "container")
            parts.containers = true;
        else if (type == "volume")
            parts.volumes = true;
        else if (type == "build-cache")
            parts.build_cache = true;
        else
            throw make_error(ErrorKind::invalid_argument, "unknown object type: {}", type);
    }
    return parts;
}

async::Task<void> show_disk_usage(Call& call) {
    spec::api::DiskUsage usage = co_await call.engine.system().disk_usage(wanted_parts(call));
    shape_disk_usage(usage, call.version);
    co_await call.send_json(spec::api::encode_disk_usage(usage));
}

async::Task<void> prune_build_cache(Call& call) {
    json::Value report = spec::api::encode_build_cache_prune_report({});
    co_await call.send_json(std::move(report));
}

async::Task<void> show_metrics(Call& call) {
    std::string text = co_await call.engine.system().metrics();
    call.response.headers.set("Content-Type", std::string(kMetricsType));
    co_await call.response.send(std::move(text));
}

// --- events
// --------------------------------------------------------------------------------------------------

struct EventQuery {
    std::optional<int64_t> since_ns, until_ns;
    spec::api::Filters filters;
};

EventQuery event_query(const Call& call) {
    EventQuery query;
    int64_t now = now_ns();
    query.since_ns = engine::parse_optional_timestamp(call.text("since"), now);
    query.until_ns = engine::parse_optional_timestamp(call.text("until"), now);
    if (query.since_ns && query.until_ns && *query.until_ns < *query.since_ns)
        throw make_error(ErrorKind::invalid_argument, "`since` time ({}) cannot be after `until` time ({})",
                         call.text("since"), call.text("until"));
    query.filters = call.filters();
    return query;
}

/// Nothing at `until`.
async::Task<std::optional<engine::Event>> next_event(engine::Events::Subscription& events,
                                                     std::optional<int64_t> until_ns) {
    if (!until_ns) co_return co_await events.next();
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::nanoseconds(*until_ns - now_ns())) +
                std::chrono::milliseconds(1);
    if (left.count() <= 0) co_return std::nullopt;
    std::optional<engine::Event> event;
    try {
        async::Task<engine::Event> next = events.next();
        event = co_await async::with_timeout(left, "waiting for events", std::move(next));
    } catch (const Error&) {
        // At `until` it is the time-out; before, the reader was too slow.
        if (now_ns() < *until_ns) throw;
    }
    if (event && event->time_ns > *until_ns) event.reset();
    co_return event;
}

async::Task<void> send_event(http::Response& response, const EventQuery& query, const engine::Event& event) {
    if (!passes(query.filters, event)) co_return;
    std::string line = json::print(spec::api::encode_event(event_message(event)));
    line += '\n';
    co_await response.write(line);
}

async::Task<void> stream_events(Call& call, EventQuery query) {
    engine::Events& events = call.engine.events();
    // Nothing can come between the two.
    std::unique_ptr<engine::Events::Subscription> subscription = events.subscribe();
    std::vector<std::shared_ptr<const engine::Event>> past;
    if (query.since_ns || query.until_ns) past = events.past(query.since_ns, query.until_ns);
    call.response.headers.set("Content-Type", "application/json");
    co_await call.response.start();
    for (const std::shared_ptr<const engine::Event>& event : past)
        co_await send_event(call.response, query, *event);
    past.clear();
    while (true) {
        std::optional<engine::Event> event = co_await next_event(*subscription, query.until_ns);
        if (!event) break;
        co_await send_event(call.response, query, *event);
    }
    co_await call.response.finish();
}

async::Task<void> show_events(Call& call) {
    async::Task<void> work = stream_events(call, event_query(call));
    co_await call.request.while_connected(std::move(work));
}

async::Task<void> answer_metrics(engine::Engine& engine, http::Request& request, http::Response& response) {
    if (request.path != "/metrics" || request.method != "GET") {
        response.status = 404;
        co_await response.send("404 page not found\n");
        co_return;
    }
    std::string text = co_await engine.system().metrics();
    response.headers.set("Content-Type", std::string(kMetricsType));
    co_await response.send(std::move(text));
}

}  // namespace

http::Handler make_metrics_handler(engine::Engine& engine) {
    return [&engine](http::Request& request, http::Response& response) {
        return answer_metrics(engine, request, response);
    };
}

void add_system_routes(Router& router) {
    router.add("GET", "/_ping", ping);
    router.add("HEAD", "/_ping", ping_head);
    router.add("GET", "/version", show_version);
    router.add("GET", "/info", show_info);
    router.add("GET", "/events", show_events);
    router.add("GET", "/system/df", show_disk_usage);
    router.add("POST", "/build/prune", prune_build_cache);
    router.add("GET", "/metrics", show_metrics);
}

}  // namespace berth::api

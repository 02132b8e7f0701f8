// SPDX-License-Identifier: Apache-2.0
#include "registry/server/server.h"

#include "base/log.h"
#include "base/strings.h"
#include "registry/server/access_log.h"
#include "registry/server/api_error.h"
#include "registry/server/service.h"
#include "spec/reference.h"

namespace berth::registry {

using server::ApiError;
using server::Route;
using server::RouteKind;
using server::Service;

namespace server {

namespace {

std::vector<RetentionRule> parse_rules(const std::vector<std::string>& texts) {
    std::vector<RetentionRule> rules;
    for (const std::string& text : texts) rules.push_back(RetentionRule::parse(text));
    return rules;
}

bool is_change(std::string_view method) {
    return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

async::Task<void> serve_metrics(Service& service, size_t connections, http::Response& response) {
    Metrics::Gauges gauges;
    auto measure = [&catalog = service.storage.catalog] { return catalog.totals(); };
    Catalog::Totals totals = co_await async::run_blocking(measure);
    gauges.repositories = totals.repositories;
    gauges.blobs = totals.blobs;
    gauges.blob_bytes = totals.bytes;
    gauges.uploads = service.uploads.active();
    gauges.connections = connections;
    response.headers.set("Content-Type", "text/plain; version=0.0.4");
    std::string text = service.metrics.print(gauges);
    co_await response.send(std::move(text));
}

async::Task<void> serve_base(http::Response& response) {
    response.headers.set("Content-Type", "application/json");
    co_await response.send("{}");
}

async::Task<void> serve_token(Service& service, const http::Request& request, http::Response& response) {
    if (!service.authenticator || !service.authenticator->issues_tokens())
        throw ApiError(404, "UNSUPPORTED", "this registry issues no tokens");
    // Clients that have a password ask by POST first (OAuth2), and by GET where that is refused. An anonymous
    // token would keep them from it.
    if (request.method != "GET") throw method_not_allowed("GET");
    std::string body = co_await service.authenticator->issue_token(request);
    response.headers.set("Content-Type", "application/json");
    response.headers.set("Cache-Control", "no-store");
    co_await response.send(std::move(body));
}

async::Task<void> serve_repository(Service& service, const Route& route, http::Request& request,
                                   http::Response& response) {
    if (is_change(request.method)) {
        if (service.config.read_only) throw unsupported("the registry is read-only");
        if (service.proxy) throw unsupported("the registry is a pull-through cache");
    }
    if (route.kind == RouteKind::blob)
        co_await serve_blob(service, route, request, response);
    else if (route.kind == RouteKind::manifest)
        co_await serve_manifest(service, route, request, response);
    else if (route.kind == RouteKind::upload)
        co_await serve_upload(service, route, request, response);
    else if (route.kind == RouteKind::uploads)
        co_await serve_uploads(service, route, request, response);
    else if (route.kind == RouteKind::tags)
        co_await serve_tags(service, route, request, response);
    else
        co_await serve_referrers(service, route, request, response);
}

}  // namespace

Service::Service(async::Context& loop, ServerConfig settings)
    : context(loop),
      config(std::move(settings)),
      storage(config.root, config.blob_grace),
      uploads(loop, storage.catalog, storage.blobs),
      retention(parse_rules(config.retention)) {
    if (!config.htpasswd_file.empty())
        authenticator.emplace(loop, config.htpasswd_file, config.anonymous_pull, !config.tls_cert.empty());
    if (!config.proxy_url.empty())
        proxy = std::make_unique<Proxy>(loop, config, storage.catalog, storage.blobs);
}

Digest parse_digest(std::string_view text) {
    auto digest = Digest::try_parse(text);
    if (!digest) throw digest_invalid(text, "not a digest of a supported algorithm");
    return *digest;
}

ApiError method_not_allowed(std::string_view allowed) {
    return ApiError(405, "UNSUPPORTED", "The operation is unsupported.")
        .with_header("Allow", std::string(allowed));
}

}  // namespace server

namespace {

/// What is kept in memory of an upload that nobody goes on with; a later request reads its file again.
constexpr std::chrono::seconds kIdleUpload = std::chrono::hours(1);

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(async::Context& context, ServerConfig config)
        : service(context, std::move(config)), access_log(service.config.access_log), stopping(context) {}

    http::ServerOptions options();
    static async::Task<void> handle(std::shared_ptr<State> state, http::Request& request,
                                    http::Response& response);
    async::Task<void> dispatch(http::Request& request, http::Response& response);
    static async::Task<void> answer_error(std::exception_ptr error, http::Request& request,
                                          http::Response& response);
    void finished(const http::AccessRecord& record);
    async::Task<uint64_t> collect();
    static async::Task<void> maintain(std::shared_ptr<State> state);

    Service service;
    server::AccessLog access_log;
    std::unique_ptr<http::Server> http;
    async::Event stopping;
    bool collecting = false;
};

http::ServerOptions Server::State::options() {
    http::ServerOptions result;
    const ServerConfig& config = service.config;
    if (config.tls_cert.empty() != config.tls_key.empty())
        throw Error(ErrorKind::invalid_argument, "--tls-cert and --tls-key belong together");
    if (!config.tls_cert.empty()) result.tls = http::TlsServerOptions{config.tls_cert, config.tls_key, {}};
    result.error_response = [](std::exception_ptr error, http::Request& request, http::Response& response) {
        return answer_error(std::move(error), request, response);
    };
    result.access = [this](const http::AccessRecord& record) { finished(record); };
    return result;
}

async::Task<void> Server::State::handle(std::shared_ptr<State> state, http::Request& request,
                                        http::Response& response) {
    co_await state->dispatch(request, response);
}

async::Task<void> Server::State::dispatch(http::Request& request, http::Response& response) {
    Route route = server::parse_route(request.path);
    response.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    response.headers.set("X-Content-Type-Options", "nosniff");
    switch (route.kind) {
        case RouteKind::health: co_await response.send("ok\n"); co_return;
        case RouteKind::token: co_await server::serve_token(service, request, response); co_return;
        case RouteKind::none:
        case RouteKind::base:
        case RouteKind::blob:
        case RouteKind::uploads:
        case RouteKind::upload:
        case RouteKind::manifest:
        case RouteKind::tags:
        case RouteKind::referrers:
        case RouteKind::catalog:
        case RouteKind::metrics: break;
    }
    if (service.authenticator)
        request.remote_user = co_await service.authenticator->authorize(request, route);
    if (!route.repository.empty()) {
        if (!spec::is_valid_repository(route.repository)) throw server::name_invalid(route.repository);
        if (service.proxy) route.repository = service.proxy->upstream_name(route.repository);
        co_await server::serve_repository(service, route, request, response);
    } else if (route.kind == RouteKind::base) {
        co_await server::serve_base(response);
    } else if (route.kind == RouteKind::catalog) {
        co_await server::serve_catalog(service, request, response);
    } else if (route.kind == RouteKind::metrics) {
        co_await server::serve_metrics(service, http->open_connections(), response);
    } else {
        throw ApiError(404, "UNSUPPORTED", "no such endpoint");
    }
}

async::Task<void> Server::State::answer_error(std::exception_ptr error, http::Request&,
                                              http::Response& response) {
    ApiError told = server::to_api_error(std::move(error));
    response.status = told.status();
    for (const auto& [name, value] : told.headers()) response.headers.set(name, value);
    response.headers.set("Content-Type", "application/json");
    for (const char* name : {"Cache-Control", "ETag", "Accept-Ranges", "Content-Length"})
        response.headers.remove(name);
    std::string body = server::error_body(told.problems());
    co_await response.send(std::move(body));
}

void Server::State::finished(const http::AccessRecord& record) {
    std::string_view target = record.target;
    Route route = server::parse_route(http::percent_decode(target.substr(0, target.find('?'))));
    service.metrics.count_request(record.method, route.kind, record.status, record.bytes_in, record.bytes_out,
                                  record.duration);
    if (record.status == 401) service.metrics.count_denied();
    access_log.write(record);
}

async::Task<uint64_t> Server::State::collect() {
    if (collecting) throw Error(ErrorKind::conflict, "a collection is running already");
    struct Running {
        bool& flag;
        explicit Running(bool& set) : flag(set) { flag = true; }
        ~Running() { flag = false; }
    } running(collecting);
    auto began = std::chrono::steady_clock::now();
    server::CollectionRules rules;
    rules.retention = service.retention;
    rules.upload_expiry = service.config.upload_expiry;
    if (service.proxy) rules.keep_cached = service.config.proxy_ttl;
    auto work = [&storage = service.storage, rules] { return server::collect(storage, rules); };
    server::CollectionResult result = co_await async::run_blocking(std::move(work));
    service.metrics.count_collection(result, std::chrono::steady_clock::now() - began);
    co_return result.bytes;
}

async::Task<void> Server::State::maintain(std::shared_ptr<State> state) {
    const std::chrono::seconds own = state->service.config.gc_interval;
    // Without collections of its own what uploads left in memory still goes.
    const std::chrono::seconds interval = own.count() > 0 ? own : kIdleUpload;
    while (!state->stopping.is_set()) {
        bool waited = false;
        try {
            async::Task<void> stopped = state->stopping.wait();
            co_await async::with_timeout(interval, "waiting", std::move(stopped));
        } catch (const Error& error) {
            waited = error.kind() == ErrorKind::unavailable;
            if (!waited) throw;
        }
        if (!waited) co_return;
        state->service.uploads.drop_idle(kIdleUpload);
        if (own.count() <= 0) continue;
        try {
            co_await state->collect();
        } catch (const Error& error) {
            log::error("collection: {}", error.what());
        }
    }
}

Server::Server(async::Context& context, ServerConfig config)
    : state_(std::make_shared<State>(context, std::move(config))) {
    state_->service.owner = state_;
}

Server::~Server() {
    state_->stopping.set();
    state_->http.reset();
}

std::vector<async::Address> Server::start() {
    State& state = *state_;
    auto handler = [self = state_.get()](http::Request& request, http::Response& response) {
        return State::handle(self->shared_from_this(), request, response);
    };
    state.http = std::make_unique<http::Server>(state.service.context, state.options(), std::move(handler));
    std::vector<async::Address> addresses;
    for (const std::string& text : state.service.config.listen) {
        // "127.0.0.1:5000" is a TCP address here.
        bool has_scheme = text.find("://") != std::string::npos;
        std::string full = has_scheme ? text : "tcp://" + text;
        addresses.push_back(state.http->listen(async::Address::parse(full)));
    }
    async::Task<void> task = State::maintain(state_);
    state.service.context.spawn("maintenance", std::move(task));
    return addresses;
}

async::Task<void> Server::stop() {
    std::shared_ptr<State> state = state_;
    state->stopping.set();
    if (state->http) co_await state->http->stop(state->service.config.stop_grace);
}

async::Task<uint64_t> Server::collect() {
    std::shared_ptr<State> state = state_;
    co_return co_await state->collect();
}

}  // namespace berth::registry

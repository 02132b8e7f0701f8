// SPDX-License-Identifier: Apache-2.0
// Docker's search, which is no part of the distribution specification: GET /v1/search?q=…&n=… of an index.
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/images/images.h"
#include "engine/images/state.h"
#include "http/client.h"
#include "registry/client/endpoints.h"

namespace berth::engine {

namespace {

namespace api = spec::api;

constexpr size_t kMaxAnswer = 4u << 20;

struct Asked {
    std::string host;  ///< "" is Docker Hub
    std::string term;
};

/// "registry.example:5000/web" asks that registry for "web".
Asked split_term(const std::string& term) {
    size_t slash = term.find('/');
    std::string first = term.substr(0, slash);
    bool is_host = slash != std::string::npos &&
                   (first.find_first_of(".:") != std::string::npos || first == "localhost");
    if (!is_host || first == "docker.io" || first == "index.docker.io")
        return {"", is_host ? term.substr(slash + 1) : term};
    return {first, term.substr(slash + 1)};
}

std::vector<api::ImageSearchResult> parse_results(std::string_view text, const api::Filters& filters) {
    json::Value document = json::parse(text);
    std::vector<api::ImageSearchResult> results;
    const json::Value* found = document.is_object() ? document.as_object().if_contains("results") : nullptr;
    if (!found || !found->is_array()) return results;
    int64_t stars = 0;
    for (const std::string& value : filters.get("stars")) {
        auto number = parse_number<int64_t>(value);
        if (!number) filters.fail("stars");
        stars = std::max(stars, *number);
    }
    for (const json::Value& one : found->as_array()) {
        api::ImageSearchResult result = json::decode<api::ImageSearchResult>(one);
        if (result.star_count < stars) continue;
        if (filters.contains("is-official") && filters.flag("is-official", false) != result.is_official)
            continue;
        if (filters.contains("is-automated") && filters.flag("is-automated", false) != result.is_automated)
            continue;
        results.push_back(std::move(result));
    }
    return results;
}

async::Task<std::string> ask(async::Context& context, registry::ClientConfig config, http::Url url,
                             spec::Credentials credentials) {
    registry::Endpoints endpoints(config);
    http::ClientOptions options;
    options.proxy = http::ClientOptions::proxy_from_environment();
    options.connect_timeout = config.connect_timeout;
    options.tls = [&](const http::Url& to) { return endpoints.tls(to); };
    http::Client client(context, std::move(options));
    for (bool is_plain = false;; is_plain = true) {
        http::ClientRequest request;
        request.url = url;
        if (is_plain) request.url.scheme = "http";
        request.headers.set("Accept", "application/json");
        if (!credentials.username.empty())
            request.headers.set("Authorization",
                                http::basic_authorization(credentials.username, credentials.password));
        try {
            std::unique_ptr<http::ClientResponse> response = co_await client.send(std::move(request));
            std::string body = co_await response->read_all(kMaxAnswer);
            if (response->status == 200) co_return body;
            throw make_error(ErrorKind::internal, "Unexpected status code {} from {}: it offers no search",
                             response->status, url.authority());
        } catch (const Error& error) {
            // Insecure registries may speak HTTP alone.
            if (is_plain || error.kind() != ErrorKind::unavailable || !endpoints.is_insecure(url.authority()))
                throw;
        }
    }
}

}  // namespace

async::Task<std::vector<api::ImageSearchResult>> Images::search(SearchRequest request) {
    std::shared_ptr<State> state = state_;
    request.filters.validate({"is-automated", "is-official", "stars"});
    if (request.term.empty()) throw Error(ErrorKind::invalid_argument, "no search term given");
    if (request.limit == 0) request.limit = 25;
    if (request.limit < 1 || request.limit > 100)
        throw make_error(ErrorKind::invalid_argument, "limit {} is outside the range of [1, 100]",
                         request.limit);
    Asked asked = split_term(request.term);
    http::Url url;
    url.scheme = "https";
    url.host = "index.docker.io";
    if (!asked.host.empty()) url = http::Url::parse("https://" + asked.host + "/");
    url.target = fmt::format("/v1/search?q={}&n={}", http::percent_encode(asked.term), request.limit);
    async::Task<std::string> work =
        ask(state->streams, state->options.registry, std::move(url), std::move(request.credentials));
    std::string answer = co_await async::run_on(state->streams, std::move(work));
    std::vector<api::ImageSearchResult> results = parse_results(answer, request.filters);
    co_return results;
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
// /v2/<name>/tags/list and /v2/_catalog
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "registry/server/api_error.h"
#include "registry/server/service.h"

namespace berth::registry::server {

namespace {

/// The catalogue comes in pages of so many, whatever is asked for.
constexpr uint64_t kMostRepositories = 1000;

Page parse_page(const http::Query& query) {
    Page page;
    if (auto last = query.find("last")) page.last = *last;
    if (auto text = query.find("n")) {
        auto number = parse_number<int64_t>(*text);
        if (!number || *number < 0) {
            json::Object detail;
            detail["n"] = *text;
            throw ApiError(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested",
                           std::move(detail));
        }
        page.limit = static_cast<uint64_t>(*number);
    }
    return page;
}

/// RFC 8288, relative to the request.
void set_next_link(http::Response& response, std::string_view path, const Page& page,
                   const Listing& listing) {
    if (!listing.more || listing.names.empty()) return;
    response.headers.set("Link", fmt::format("<{}?last={}&n={}>; rel=\"next\"", path,
                                             http::percent_encode(listing.names.back()),
                                             page.limit.value_or(listing.names.size())));
}

json::Array names_array(const Listing& listing) {
    json::Array names;
    for (const std::string& name : listing.names) names.emplace_back(name);
    return names;
}

async::Task<void> send_json(http::Response& response, json::Object body) {
    response.headers.set("Content-Type", "application/json");
    std::string text = json::print(body) + '\n';
    co_await response.send(std::move(text));
}

}  // namespace

async::Task<void> serve_tags(Service& service, const Route& route, http::Request& request,
                             http::Response& response) {
    if (request.method != "GET" && request.method != "HEAD") throw method_not_allowed("GET, HEAD");
    Page page = parse_page(request.query);
    std::optional<Listing> listing;
    if (service.proxy) listing = co_await service.proxy->tags(route.repository, page);
    if (!listing) {
        auto list = [&] { return service.storage.catalog.tags(route.repository, page); };
        listing = co_await async::run_blocking(list);
    }
    if (!listing) throw name_unknown(route.repository);
    set_next_link(response, fmt::format("/v2/{}/tags/list", route.repository), page, *listing);
    json::Object body;
    body["name"] = route.repository;
    body["tags"] = names_array(*listing);
    co_await send_json(response, std::move(body));
}

async::Task<void> serve_catalog(Service& service, http::Request& request, http::Response& response) {
    if (request.method != "GET" && request.method != "HEAD") throw method_not_allowed("GET, HEAD");
    Page page = parse_page(request.query);
    page.limit = std::min(page.limit.value_or(kMostRepositories), kMostRepositories);
    auto list = [&] { return service.storage.catalog.repositories(page); };
    Listing listing = co_await async::run_blocking(list);
    set_next_link(response, "/v2/_catalog", page, listing);
    json::Object body;
    body["repositories"] = names_array(listing);
    co_await send_json(response, std::move(body));
}

}  // namespace berth::registry::server

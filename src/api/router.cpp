// SPDX-License-Identifier: Apache-2.0
#include "api/router.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "api/content_type.h"
#include "async/context.h"
#include "base/log.h"
#include "base/strings.h"

namespace berth::api {

namespace {

/// A path without its version, and the version's digits; the path stays whole where it has none.
struct VersionedPath {
    std::optional<std::string_view> version;
    std::string_view path;
};

VersionedPath split_version(std::string_view path) {
    if (!path.starts_with("/v")) return {std::nullopt, path};
    size_t end = path.find('/', 1);
    if (end == std::string_view::npos) return {std::nullopt, path};
    std::string_view digits = path.substr(2, end - 2);
    if (digits.empty() || digits.find_first_not_of("0123456789.") != std::string_view::npos)
        return {std::nullopt, path};
    return {digits, path.substr(end)};
}

bool is_parameter(std::string_view segment) {
    return segment.starts_with('{');
}

bool is_greedy(std::string_view segment) {
    return segment.ends_with("*}");
}

std::string_view parameter_name(std::string_view segment) {
    segment.remove_prefix(1);
    segment.remove_suffix(is_greedy(segment) ? 2 : 1);
    return segment;
}

using Params = std::vector<std::pair<std::string_view, std::string>>;

/// `parts` against `segments`; at most one segment is greedy.
bool matches(const std::vector<std::string_view>& segments, const std::vector<std::string_view>& parts,
             Params& params) {
    bool any_greedy = std::any_of(segments.begin(), segments.end(), is_greedy);
    if (any_greedy ? parts.size() < segments.size() : parts.size() != segments.size()) return false;
    size_t spare = parts.size() - segments.size();
    params.clear();
    size_t at = 0;
    for (std::string_view segment : segments) {
        std::string value(parts[at++]);
        if (is_parameter(segment)) {
            if (is_greedy(segment))
                for (size_t i = 0; i < spare; ++i) value.append("/").append(parts[at++]);
            if (value.empty()) return false;
            params.emplace_back(parameter_name(segment), std::move(value));
        } else if (segment != value) {
            return false;
        }
    }
    return true;
}

std::string message_body(std::string_view message) {
    return "{\"message\":" + json::print_string(message) + "}\n";
}

async::Task<void> send_message(http::Response& response, int status, std::string message) {
    response.status = status;
    if (status == 304) {
        response.headers.remove("Content-Type");
        co_await response.send();
        co_return;
    }
    response.headers.set("Content-Type", "application/json");
    co_await response.send(message_body(message));
}

/// What left a route's function, as status and message.
struct Failure {
    int status = 500;
    std::string message;
};

Failure describe(std::exception_ptr error) {
    try {
        std::rethrow_exception(error);
    } catch (const Error& failure) {
        return {http::status_of(failure), failure.what()};
    } catch (...) {
        return {500, current_exception_message()};
    }
}

async::Task<void> run_guarded(RouteFunction function, Call& call, std::exception_ptr& failure) {
    try {
        co_await function(call);
    } catch (...) {
        failure = std::current_exception();
    }
}

}  // namespace

// --- Call
// ----------------------------------------------------------------------------------------------------

const std::string& Call::param(std::string_view name) const {
    for (const auto& [key, value] : params_)
        if (key == name) return value;
    throw make_error(ErrorKind::internal, "route without {{{}}}", name);
}

bool Call::flag(std::string_view name, bool absent) const {
    auto value = request.query.find(name);
    if (!value) return absent;
    std::string text(trim(*value));
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return !(text.empty() || text == "0" || text == "no" || text == "false" || text == "none");
}

std::optional<int64_t> Call::integer(std::string_view name) const {
    std::string_view text = request.query.get(name);
    if (text.empty()) return std::nullopt;
    std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
    if (auto number = parse_number<int64_t>(digits)) return number;
    throw make_error(ErrorKind::invalid_argument, "strconv.Atoi: parsing {}: invalid syntax", quote(text));
}

void Call::check_json_type() const {
    auto type = request.headers.find("Content-Type");
    if (!type && (!request.has_body || request.content_length == 0)) return;
    check_content_type(type.value_or(""), "application/json");
}

async::Task<json::Value> Call::body() {
    check_json_type();
    json::Value value;
    if (!request.has_body || request.content_length == 0) co_return value;
    std::string text = co_await request.read_all(kMaxJsonBody);
    if (trim(text).empty())
        throw Error(ErrorKind::invalid_argument, "invalid JSON: got EOF while reading request body");
    value = with_context("invalid JSON", [&] { return json::parse(text); });
    co_return value;
}

async::Task<void> Call::send_json(json::Value value, int status) {
    std::string text = json::valid_utf8(json::print(value));
    co_await send_json_text(std::move(text), status);
}

async::Task<void> Call::send_json_text(std::string text, int status) {
    response.status = status;
    response.headers.set("Content-Type", "application/json");
    text += '\n';
    co_await response.send(std::move(text));
}

async::Task<void> Call::send_status(int status) {
    response.status = status;
    co_await response.send();
}

// --- Router
// --------------------------------------------------------------------------------------------------

void Router::add(std::string_view method, std::string_view pattern, RouteFunction function) {
    Route route{method, split(pattern.substr(1), '/'), function};
    routes_.push_back(std::move(route));
}

const Router::Route* Router::find(std::string_view method, std::string_view path, Call& call) const {
    std::vector<std::string_view> parts = split(path.substr(1), '/');
    for (const Route& route : routes_)
        if (route.method == method && matches(route.segments, parts, call.params_)) return &route;
    return nullptr;
}

async::Task<void> Router::handle(http::Request& request, http::Response& response,
                                 engine::Engine& engine) const {
    VersionedPath split = split_version(request.path);
    Call call(request, response, engine);
    const Route* route = find(request.method, split.path, call);
    if (!route) {
        co_await send_message(response, 404, "page not found");
        co_return;
    }
    response.headers.set("Server", "Berth/" BERTH_VERSION " (linux)");
    response.headers.set("Api-Version", kNewestVersion.text());
    response.headers.set("Ostype", "linux");
    response.headers.set("Docker-Experimental", "false");
    if (split.version) {
        auto version = ApiVersion::parse(*split.version);
        if (!version || *version > kNewestVersion) {
            std::string message =
                fmt::format("client version {} is too new. Maximum supported API version is {}",
                            *split.version, kNewestVersion.text());
            co_await send_message(response, 400, std::move(message));
            co_return;
        }
        if (*version < kOldestVersion) {
            // Clients as old as that read errors as plain text.
            response.status = 400;
            response.headers.set("Content-Type", "text/plain; charset=utf-8");
            std::string message = fmt::format(
                "client version {} is too old. Minimum supported API version is {}, please upgrade "
                "your client to a newer version\n",
                *split.version, kOldestVersion.text());
            co_await response.send(std::move(message));
            co_return;
        }
        call.version = *version;
    }
    std::exception_ptr failure;
    co_await run_guarded(route->function, call, failure);
    if (!failure) co_return;
    if (response.started() || async::is_cancelled(failure)) std::rethrow_exception(failure);
    Failure answer = describe(failure);
    if (answer.status == 500)
        log::error("Handler for {} {} returned error: {}", request.method, request.path, answer.message);
    co_await send_message(response, answer.status, std::move(answer.message));
}

}  // namespace berth::api

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/version.h"
#include "async/task.h"
#include "base/json.h"
#include "http/server.h"
#include "spec/api/filters.h"

namespace berth::engine {
class Engine;
}

/// The Engine API over HTTP: from a request to one function, from what that throws to a status. No logic of
/// the engine is here; all of it runs on the control context.
namespace berth::api {

/// A JSON body that is longer gets 413.
inline constexpr size_t kMaxJsonBody = size_t{4} << 20;

/// One request on its way. Belongs to the router while the route's function runs.
class Call {
  public:
    Call(http::Request& the_request, http::Response& the_response, engine::Engine& the_engine)
        : request(the_request), response(the_response), engine(the_engine) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    http::Request& request;
    http::Response& response;
    engine::Engine& engine;
    ApiVersion version = kNewestVersion;

    /// What stands in the path for {name}.
    const std::string& param(std::string_view name) const;

    // Query parameters, read as Docker reads them.
    /// "" where absent.
    std::string text(std::string_view name) const { return std::string(request.query.get(name)); }
    bool has(std::string_view name) const { return request.query.find(name).has_value(); }
    /// False for "", 0, no, false and none (in any case, blanks around), else true; `absent` where absent.
    bool flag(std::string_view name, bool absent = false) const;
    /// Nothing where absent or empty. Throws invalid_argument "strconv.Atoi: parsing "x": invalid syntax".
    std::optional<int64_t> integer(std::string_view name) const;
    /// The parameter `filters`.
    spec::api::Filters filters() const { return spec::api::Filters::parse(request.query.get("filters")); }

    /// The body as JSON; null where there is none. Throws invalid_argument for another Content-Type, or for
    /// what is no JSON, StatusError 413 for what is too long.
    async::Task<json::Value> body();
    /// Whether the body's type is what JSON's must be; throws invalid_argument.
    void check_json_type() const;

    async::Task<void> send_json(json::Value value, int status = 200);
    /// JSON that is printed already.
    async::Task<void> send_json_text(std::string text, int status = 200);
    /// A status without a body: 204, 200 …
    async::Task<void> send_status(int status);

  private:
    friend class Router;
    std::vector<std::pair<std::string_view, std::string>> params_;
};

/// Answers a request, or throws: an Error becomes its kind's status and {"message": "…"}.
using RouteFunction = async::Task<void> (*)(Call& call);

class Router {
  public:
    /// `pattern` is a path without version: "/containers/{id}/json". {x} is one segment, {x*} takes slashes
    /// too. The first route that matches counts. Texts are kept by reference: string literals.
    void add(std::string_view method, std::string_view pattern, RouteFunction function);

    /// Answers every request: what no route takes gets 404 "page not found", a version that is not served
    /// 400. HEAD has routes of its own, as with Docker.
    async::Task<void> handle(http::Request& request, http::Response& response, engine::Engine& engine) const;

  private:
    struct Route {
        std::string_view method;
        std::vector<std::string_view> segments;  ///< "{id}" and literals
        RouteFunction function;
    };
    const Route* find(std::string_view method, std::string_view path, Call& call) const;

    std::vector<Route> routes_;
};

/// All routes of `engine`, which must outlive the handler. For ServerOptions and Server.
http::Handler make_handler(engine::Engine& engine);

}  // namespace berth::api

// SPDX-License-Identifier: Apache-2.0
#include "api/router.h"

#include "http/http_fixture.h"

namespace berth::api {
namespace {

async::Task<void> tell(Call& call) {
    json::Object told;
    told.emplace("version", call.version.text());
    if (call.request.path.find("/images/") != std::string::npos) told.emplace("name", call.param("name"));
    if (call.has("flag")) told.emplace("flag", call.flag("flag"));
    if (auto number = call.integer("number")) told.emplace("number", *number);
    json::Value value = std::move(told);
    co_await call.send_json(std::move(value));
}

async::Task<void> tell_bytes(Call& call) {
    json::Value value = json::Value("a\xff\xc3\xa4");
    co_await call.send_json(std::move(value));
}

async::Task<void> echo(Call& call) {
    json::Value body = co_await call.body();
    co_await call.send_json(std::move(body), 201);
}

async::Task<void> fail(Call& call) {
    std::string kind = call.text("kind");
    if (kind == "missing") throw Error(ErrorKind::not_found, "No such container: \"x\"");
    if (kind == "same") throw Error(ErrorKind::not_modified, "already started");
    if (kind == "late") {
        co_await call.response.start();
        co_await call.response.write("begun");
        throw Error(ErrorKind::internal, "late");
    }
    if (kind == "odd") throw std::runtime_error("odd");
    throw Error(ErrorKind::conflict, "conflict");
}

async::Task<void> done(Call& call) {
    co_await call.send_status(204);
}

class RouterTest : public testing::Test {
  protected:
    RouterTest() : server([this](auto& request, auto& response) { return handle(request, response); }) {
        router.add("GET", "/info", tell);
        router.add("GET", "/images/json", tell);
        router.add("GET", "/images/{name*}/json", tell);
        router.add("DELETE", "/images/{name*}", tell);
        router.add("POST", "/containers/create", echo);
        router.add("GET", "/fail", fail);
        router.add("GET", "/bytes", tell_bytes);
        router.add("HEAD", "/done", done);
        router.add("POST", "/done", done);
    }

    async::Task<void> handle(http::Request& request, http::Response& response) {
        // No route of this test touches the engine.
        auto& no_engine = *reinterpret_cast<engine::Engine*>(this);
        co_await router.handle(request, response, no_engine);
    }
    http::Answer ask(std::string_view target, std::string method = "GET") {
        return context.block_on(
            http::fetch(client, http::request_for(server.url(target), std::move(method))));
    }
    http::Answer post(std::string body, std::string_view type) {
        std::string head =
            "POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n";
        if (!type.empty()) head += "Content-Type: " + std::string(type) + "\r\n";
        http::RawClient raw(server);
        std::string text = raw.ask(head + "\r\n" + body);
        http::Answer answer;
        answer.status = std::stoi(text.substr(9, 3));
        answer.body = text.substr(text.find("\r\n\r\n") + 4);
        return answer;
    }

    Router router;
    http::RunningServer server;
    async::Context context;
    http::Client client{context, {}};
};

TEST_F(RouterTest, FindsRoutes) {
    EXPECT_EQ(ask("/info").body, "{\"version\":\"1.51\"}\n");
    EXPECT_EQ(ask("/v1.41/info").body, "{\"version\":\"1.41\"}\n");
    EXPECT_EQ(ask("/images/a/b:c/json").body, "{\"version\":\"1.51\",\"name\":\"a/b:c\"}\n");
    EXPECT_EQ(ask("/v1.30/images/x%2Fy/json").body, "{\"version\":\"1.30\",\"name\":\"x/y\"}\n");
    EXPECT_EQ(ask("/images/a/b", "DELETE").body, "{\"version\":\"1.51\",\"name\":\"a/b\"}\n");
    EXPECT_EQ(ask("/done", "HEAD").status, 204);
}

TEST_F(RouterTest, WhatNoRouteTakes) {
    for (const char* target : {"/", "/nope", "/v1.41", "/v1.41/", "/v1.x/info", "/info/", "//info", "/v/info",
                               "/images//json", "/v1.41/v1.41/info"}) {
        http::Answer answer = ask(target);
        EXPECT_EQ(answer.status, 404) << target;
        EXPECT_EQ(answer.body, "{\"message\":\"page not found\"}\n");
        EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
    }
    EXPECT_EQ(ask("/info", "POST").status, 404);
    EXPECT_EQ(ask("/info", "HEAD").status, 404);
}

TEST_F(RouterTest, Versions) {
    http::Answer newer = ask("/v1.99/info");
    EXPECT_EQ(newer.status, 400);
    EXPECT_EQ(newer.body,
              "{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.51\"}\n");
    EXPECT_EQ(ask("/v2.0/info").status, 400);
    EXPECT_EQ(ask("/v1.2.3/info").status, 400);
    http::Answer older = ask("/v1.12/info");
    EXPECT_EQ(older.status, 400);
    EXPECT_EQ(
        older.body,
        "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client "
        "to a newer version\n");
    EXPECT_EQ(ask("/v1/info").status, 400);
    EXPECT_EQ(ask("/v1.24/info").status, 200);
}

TEST_F(RouterTest, HeadersOfEachAnswer) {
    for (const char* target : {"/info", "/v1.99/info", "/fail"}) {
        http::Answer answer = ask(target);
        EXPECT_EQ(answer.headers.get("Api-Version"), "1.51");
        EXPECT_EQ(answer.headers.get("Ostype"), "linux");
        EXPECT_EQ(answer.headers.get("Docker-Experimental"), "false");
        EXPECT_EQ(answer.headers.get("Server").substr(0, 6), "Berth/");
    }
}

TEST_F(RouterTest, Parameters) {
    for (const char* no : {"", "0", "no", "false", "False", "none", "%20no%20"})
        EXPECT_EQ(ask(std::string("/info?flag=") + no).body, "{\"version\":\"1.51\",\"flag\":false}\n") << no;
    for (const char* yes : {"1", "true", "yes", "x"})
        EXPECT_EQ(ask(std::string("/info?flag=") + yes).body, "{\"version\":\"1.51\",\"flag\":true}\n")
            << yes;
    EXPECT_EQ(ask("/info?number=-5").body, "{\"version\":\"1.51\",\"number\":-5}\n");
    EXPECT_EQ(ask("/info?number=").body, "{\"version\":\"1.51\"}\n");
    http::Answer bad = ask("/info?number=x");
    EXPECT_EQ(bad.status, 400);
    EXPECT_EQ(bad.body, "{\"message\":\"strconv.Atoi: parsing \\\"x\\\": invalid syntax\"}\n");
}

TEST_F(RouterTest, Bodies) {
    EXPECT_EQ(post("{\"a\": 1}", "application/json").body, "{\"a\":1}\n");
    EXPECT_EQ(post("{\"a\": 1}", "Application/JSON; charset=utf-8").status, 201);
    EXPECT_EQ(post("", "").body, "null\n");
    EXPECT_EQ(post("", "application/json").body, "null\n");
    EXPECT_EQ(post("{}", "text/plain").body,
              "{\"message\":\"unsupported Content-Type header (text/plain): must be 'application/json'\"}\n");
    EXPECT_EQ(post("{}", "").body,
              "{\"message\":\"malformed Content-Type header (): mime: no media type\"}\n");
    http::Answer bad = post("{\"a\":}", "application/json");
    EXPECT_EQ(bad.status, 400);
    EXPECT_EQ(bad.body.substr(0, 26), "{\"message\":\"invalid JSON: ");
    EXPECT_EQ(post("{} {}", "application/json").status, 400);
    EXPECT_EQ(post(" ", "application/json").body,
              "{\"message\":\"invalid JSON: got EOF while reading request body\"}\n");
    EXPECT_EQ(post("\"" + std::string(kMaxJsonBody, 'x') + "\"", "application/json").status, 413);
}

TEST_F(RouterTest, AnswersAreUtf8) {
    EXPECT_EQ(ask("/bytes").body, "\"a\xef\xbf\xbd\xc3\xa4\"\n");
}

TEST_F(RouterTest, Failures) {
    http::Answer missing = ask("/fail?kind=missing");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "{\"message\":\"No such container: \\\"x\\\"\"}\n");
    EXPECT_EQ(missing.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(ask("/fail").status, 409);
    http::Answer same = ask("/fail?kind=same");
    EXPECT_EQ(same.status, 304);
    EXPECT_EQ(same.body, "");
    EXPECT_EQ(ask("/fail?kind=odd").status, 500);
    // A connection that ends without the body's end.
    http::RawClient raw(server);
    std::string text = raw.ask("GET /fail?kind=late HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(text.find("begun"), std::string::npos);
    EXPECT_EQ(text.find("\r\n0\r\n"), std::string::npos);
}

}  // namespace
}  // namespace berth::api

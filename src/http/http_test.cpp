// SPDX-License-Identifier: Apache-2.0
// Client and server with each other, over real sockets.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>

#include "http/http_fixture.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

std::string body_of(size_t size) {
    std::string text(size, '\0');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
    return text;
}

/// Answers with the request's method, target, headers that begin with X- and body.
async::Task<void> echo(Request& request, Response& response) {
    std::string body = co_await request.read_all(100'000'000);
    response.headers.set("X-Method", request.method);
    response.headers.set("X-Path", request.path);
    for (const auto& [name, value] : request.headers)
        if (name.starts_with("X-")) response.headers.set(name, value);
    co_await response.send(std::move(body));
}

async::Task<void> throw_by_path(Request& request, Response& response) {
    if (request.path == "/missing") throw Error(ErrorKind::not_found, "No such \"thing\"");
    if (request.path == "/teapot") throw StatusError(418, ErrorKind::invalid_argument, "short and stout");
    if (request.path == "/std") throw std::runtime_error("odd");
    if (request.path == "/nothing") co_return;
    if (request.path == "/late") {
        co_await response.start();
        co_await response.write("some");
        throw Error(ErrorKind::internal, "too late");
    }
    co_await response.send("fine");
}

struct Fixture {
    explicit Fixture(Handler handler, ServerOptions server_options = {}, ClientOptions client_options = {})
        : server(std::move(handler), std::move(server_options)), client(context, std::move(client_options)) {}

    Answer get(std::string_view target, std::string method = "GET") {
        return context.block_on(fetch(client, request_for(server.url(target), std::move(method))));
    }
    Answer ask(ClientRequest request) { return context.block_on(fetch(client, std::move(request))); }

    RunningServer server;
    async::Context context;
    Client client;
};

TEST(HttpTest, CarriesRequestsAndResponses) {
    Fixture f(echo);
    for (size_t size : {size_t(0), size_t(1), size_t(5000), size_t(3'000'000)}) {
        ClientRequest request = request_for(f.server.url("/a%20b/c?x=1"), "POST");
        request.headers.set("X-Test", "value");
        request.body.text = body_of(size);
        Answer answer = f.ask(std::move(request));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.headers.get("x-method"), "POST");
        EXPECT_EQ(answer.headers.get("x-path"), "/a b/c");
        EXPECT_EQ(answer.headers.get("x-test"), "value");
        EXPECT_EQ(answer.headers.get("content-length"), std::to_string(size));
        EXPECT_FALSE(answer.headers.get("date").empty());
        EXPECT_EQ(answer.body, body_of(size));
    }
    EXPECT_EQ(f.server.open_connections(), 1u);
}

TEST(HttpTest, HeadHasNoBody) {
    Fixture f(echo);
    ClientRequest request = request_for(f.server.url("/x"), "HEAD");
    Answer answer = f.ask(std::move(request));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(f.get("/y").status, 200);
    EXPECT_EQ(f.server.open_connections(), 1u);
}

async::Task<std::string> next_piece(int& left) {
    if (left-- <= 0) co_return "";
    co_return body_of(static_cast<size_t>(left) * 10'000 + 1);
}

TEST(HttpTest, StreamsBothWays) {
    auto handler = [](Request& request, Response& response) -> async::Task<void> {
        co_await response.start();
        std::vector<std::byte> buffer(10'000);
        while (true) {
            size_t count = co_await request.read_some(buffer);
            if (count == 0) break;
            std::span<const std::byte> piece(buffer.data(), count);
            co_await response.write(piece);
        }
        co_await response.finish();
    };
    Fixture f(handler);
    for (int round = 0; round < 2; ++round) {
        int left = 9;
        uint64_t sent = 0;
        ClientRequest request = request_for(f.server.url(), "PUT");
        request.body.produce = [&left] { return next_piece(left); };
        request.body.sent = [&sent](uint64_t count) { sent += count; };
        Answer answer = f.ask(std::move(request));
        std::string expected;
        for (int i = 8; i >= 0; --i) expected += body_of(static_cast<size_t>(i) * 10'000 + 1);
        EXPECT_EQ(answer.body, expected);
        EXPECT_EQ(sent, expected.size());
        EXPECT_EQ(answer.headers.get("transfer-encoding"), "chunked");
    }
    EXPECT_EQ(f.server.open_connections(), 1u);
}

TEST(HttpTest, SendsFiles) {
    UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    std::string content = body_of(5'000'000);
    ASSERT_EQ(::write(file.get(), content.data(), content.size()), ssize_t(content.size()));
    auto handler = [&](Request& request, Response& response) -> async::Task<void> {
        if (request.method == "PUT")
            co_await echo(request, response);
        else
            co_await response.send_file(file.get(), 26, 4'000'000);
    };
    Fixture f(handler);
    EXPECT_EQ(f.get("/").body, content.substr(26, 4'000'000));
    Answer head = f.get("/", "HEAD");
    EXPECT_EQ(head.headers.get("content-length"), "4000000");
    uint64_t sent = 0;
    ClientRequest request = request_for(f.server.url(), "PUT");
    request.body.fd = file.get();
    request.body.offset = 3;
    request.body.length = 4'500'000;
    request.body.sent = [&](uint64_t count) { sent += count; };
    EXPECT_EQ(f.ask(std::move(request)).body, content.substr(3, 4'500'000));
    EXPECT_EQ(sent, 4'500'000u);
    EXPECT_EQ(f.server.open_connections(), 1u);
}

TEST(HttpTest, WhatHandlersThrowBecomesAResponse) {
    Fixture f(throw_by_path);
    Answer missing = f.get("/missing");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(missing.body, "{\"message\":\"No such \\\"thing\\\"\"}\n");
    EXPECT_EQ(missing.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(f.get("/teapot").status, 418);
    EXPECT_EQ(f.get("/std").status, 500);
    EXPECT_EQ(f.get("/nothing").status, 500);
    EXPECT_EQ(f.get("/").body, "fine");
    EXPECT_EQ(f.server.open_connections(), 1u);
    std::string message = error_of([&] { f.get("/late"); });
    EXPECT_NE(message.find("unexpected EOF"), std::string::npos) << message;
}

TEST(HttpTest, TheOwnerCanShapeErrors) {
    ServerOptions options;
    options.error_response = [](std::exception_ptr error, Request&, Response& response) -> async::Task<void> {
        response.status = 499;
        try {
            std::rethrow_exception(error);
        } catch (const Error& failure) {
            response.headers.set("X-Error", failure.what());
        }
        co_await response.send("shaped");
    };
    std::vector<AccessRecord> records;
    options.access = [&](const AccessRecord& record) { records.push_back(record); };
    {
        Fixture f(throw_by_path, std::move(options));
        Answer answer = f.get("/missing?x");
        EXPECT_EQ(answer.status, 499);
        EXPECT_EQ(answer.body, "shaped");
        EXPECT_EQ(answer.headers.get("X-Error"), "No such \"thing\"");
    }
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].target, "/missing?x");
    EXPECT_EQ(records[0].status, 499);
    EXPECT_EQ(records[0].bytes_out, 6u);
    EXPECT_TRUE(records[0].user_agent.starts_with("berth/"));
}

TEST(HttpTest, StatusesWithoutBody) {
    auto handler = [](Request& request, Response& response) -> async::Task<void> {
        response.status = request.path == "/304" ? 304 : 204;
        co_await response.send(request.path == "/304" ? "" : "not sent");
    };
    Fixture f(handler);
    for (const char* path : {"/304", "/204", "/304"}) {
        Answer answer = f.get(path);
        EXPECT_EQ(answer.status, std::stoi(path + 1));
        EXPECT_FALSE(answer.headers.find("Content-Length"));
        EXPECT_EQ(answer.body, "");
    }
    EXPECT_EQ(f.server.open_connections(), 1u);
}

TEST(HttpTest, HandlersMayLeaveTheBodyUnread) {
    auto handler = [](Request&, Response& response) -> async::Task<void> {
        response.status = 401;
        co_await response.send("no");
    };
    Fixture f(handler);
    for (size_t size : {size_t(100), size_t(200'000), size_t(50'000'000)}) {
        ClientRequest request = request_for(f.server.url(), "PUT");
        request.body.text = body_of(size);
        Answer answer = f.ask(std::move(request));
        EXPECT_EQ(answer.status, 401) << size;
        EXPECT_EQ(answer.headers.get("Connection"), size > 1'000'000 ? "close" : "");
    }
}

TEST(HttpTest, LimitsReadAll) {
    auto handler = [](Request& request, Response& response) -> async::Task<void> {
        std::string body = co_await request.read_all(10);
        co_await response.send(std::move(body));
    };
    Fixture f(handler);
    ClientRequest small = request_for(f.server.url(), "POST"), large = small, chunked = small;
    small.body.text = "0123456789";
    large.body.text = "0123456789a";
    int left = 3;
    chunked.body.produce = [&left] { return next_piece(left); };
    EXPECT_EQ(f.ask(small).status, 200);
    EXPECT_EQ(f.ask(large).status, 413);
    EXPECT_EQ(f.ask(chunked).status, 413);
}

TEST(HttpTest, HijackedConnectionsBelongToTheHandler) {
    auto handler = [](Request& request, Response& response) -> async::Task<void> {
        EXPECT_EQ(request.headers.get("Upgrade"), "tcp");
        auto stream = co_await response.hijack(
            "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst ");
        std::vector<std::byte> buffer(100);
        size_t count = co_await stream->read_some(buffer);
        std::span<const std::byte> piece(buffer.data(), count);
        co_await stream->write(piece);
    };
    Fixture f(handler);
    auto talk = [](Client& client, std::string url) -> async::Task<std::string> {
        ClientRequest request = request_for(url, "POST");
        request.headers.set("Connection", "Upgrade");
        request.headers.set("Upgrade", "tcp");
        auto response = co_await client.send(std::move(request));
        EXPECT_EQ(response->status, 101);
        auto stream = response->upgrade();
        std::string_view word = "echo";
        co_await stream->write(std::as_bytes(std::span(word)));
        std::string all;
        std::vector<std::byte> buffer(100);
        while (true) {
            size_t count = co_await stream->read_some(buffer);
            if (count == 0) co_return all;
            all.append(reinterpret_cast<char*>(buffer.data()), count);
        }
    };
    EXPECT_EQ(f.context.block_on(talk(f.client, f.server.url())), "first echo");
    // What came with the request is the stream's first bytes.
    RawClient raw(f.server);
    EXPECT_TRUE(
        raw.ask("POST / HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\n\r\nearly").ends_with("\r\n\r\nfirst early"));
}

TEST(HttpTest, UnixSockets) {
    std::string path = "/tmp/berth-http-" + std::to_string(::getpid()) + ".sock";
    RunningServer server(echo, {}, "unix://" + path);
    async::Context context;
    Client client(context, {});
    ClientRequest request = request_for("http://engine/v1/x");
    request.unix_socket = path;
    EXPECT_EQ(context.block_on(fetch(client, request)).headers.get("X-Path"), "/v1/x");
}

TEST(HttpTest, ClosedKeptConnectionsAreReplaced) {
    async::Context context;
    Client client(context, {});
    auto first = std::make_unique<RunningServer>(echo);
    ClientRequest request = request_for(first->url());
    EXPECT_EQ(context.block_on(fetch(client, request)).status, 200);
    std::string address = first->bound.text();
    first.reset();
    RunningServer second(echo, {}, address);
    EXPECT_EQ(context.block_on(fetch(client, request)).status, 200);
}

TEST(HttpTest, StallsOfKeptConnectionsAreNotRepeated) {
    std::atomic<int> stalled = 0;
    std::shared_ptr<async::Event> go_on;
    RunningServer server([&](Request& request, Response& response) -> async::Task<void> {
        if (request.path == "/stall") {
            ++stalled;
            co_await go_on->wait();
        }
        co_await response.send("ok");
    });
    go_on = std::make_shared<async::Event>(server.context);
    async::Context context;
    ClientOptions options;
    options.idle_timeout = 1s;
    Client client(context, options);
    EXPECT_EQ(context.block_on(fetch(client, request_for(server.url()))).status, 200);
    auto stall = [&] { context.block_on(fetch(client, request_for(server.url("/stall")))); };
    EXPECT_NE(error_of(stall).find("timed out"), std::string::npos);
    EXPECT_EQ(stalled, 1);
    server.context.post([&] { go_on->set(); });
    server.stop(10s);
    go_on.reset();  // it must not outlive its context
}

TEST(HttpTest, StopWaitsForRequestsAndClosesIdleConnections) {
    std::promise<void> begun;
    async::Event* gate = nullptr;
    auto handler = [&](Request& request, Response& response) -> async::Task<void> {
        if (request.path == "/slow") {
            begun.set_value();
            co_await gate->wait();
        }
        co_await response.send("done");
    };
    Fixture f(handler);
    async::Event event(f.server.context);
    gate = &event;
    EXPECT_EQ(f.get("/").body, "done");
    RawClient slow(f.server);
    slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    begun.get_future().get();
    std::thread stopper([&] { f.server.stop(20s); });
    // The idle connection goes first, the other one when its request is answered.
    while (f.server.open_connections() != 1) std::this_thread::yield();
    f.server.context.post([&] { event.set(); });
    std::string response = slow.read_to_end();
    EXPECT_TRUE(response.ends_with("done")) << response;
    EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos);
    stopper.join();
}

TEST(HttpTest, StopCancelsWhatDoesNotEnd) {
    bool ended = false;
    std::promise<void> begun;
    struct Leaving {
        bool& flag;
        ~Leaving() { flag = true; }
    };
    auto handler = [&](Request&, Response&) -> async::Task<void> {
        Leaving leaving{ended};
        begun.set_value();
        co_await async::sleep_for(1h);
    };
    Fixture f(handler);
    RawClient raw(f.server);
    raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    begun.get_future().get();
    f.server.stop(10ms);
    EXPECT_TRUE(ended);
    EXPECT_EQ(raw.read_to_end(), "");
}

TEST(HttpTest, ErrorsNameTheRequest) {
    async::Context context;
    ClientOptions options;
    options.idle_timeout = 50ms;
    Client client(context, options);
    ClientRequest request;
    {
        RunningServer gone(echo);
        request = request_for(gone.url("/v2/"));
    }
    std::string message = error_of([&] { context.block_on(fetch(client, request)); });
    EXPECT_TRUE(message.starts_with("Get \"http://127.0.0.1:")) << message;
    EXPECT_NE(message.find("/v2/\": dial tcp 127.0.0.1:"), std::string::npos) << message;
    EXPECT_TRUE(message.ends_with("connect: connection refused")) << message;
    auto silent = [](Request&, Response&) -> async::Task<void> { co_await async::sleep_for(1h); };
    RunningServer server(silent);
    message = error_of([&] { context.block_on(fetch(client, request_for(server.url()))); });
    EXPECT_TRUE(message.ends_with("timed out after 50ms")) << message;
    server.stop(0ms);
}

TEST(HttpTest, ManyClientsAtOnce) {
    Fixture f(echo);
    std::vector<async::Task<void>> tasks;
    size_t right = 0;
    auto one = [](Client& client, std::string url, size_t size, size_t& count) -> async::Task<void> {
        for (int i = 0; i < 5; ++i) {
            ClientRequest request = request_for(url, "PUT");
            request.body.text = body_of(size);
            Answer answer = co_await fetch(client, std::move(request));
            if (answer.body == body_of(size)) ++count;
        }
    };
    for (size_t i = 0; i < 40; ++i) tasks.push_back(one(f.client, f.server.url(), i * 7919, right));
    f.context.block_on(async::all_of(std::move(tasks)));
    EXPECT_EQ(right, 200u);
}

}  // namespace
}  // namespace berth::http

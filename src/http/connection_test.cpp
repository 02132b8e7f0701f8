// SPDX-License-Identifier: Apache-2.0
// What handlers do with the connection itself: notice that the client left, move to another thread, give the
// socket away.
#include "async/thread.h"
#include "http/http_fixture.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

/// Waits until it is told, or until the client is gone.
class Waiting {
  public:
    Handler handler() {
        return [this](Request& request, Response& response) { return handle(request, response); };
    }
    std::promise<bool> result;

  private:
    async::Task<void> handle(Request& request, Response& response) {
        if (request.path != "/wait") {
            co_await response.send("other");
            co_return;
        }
        auto wait = [](async::Event& event) -> async::Task<void> { co_await event.wait(); };
        bool connected = co_await request.while_connected(wait(*event));
        result.set_value(connected);
        if (connected) co_await response.send("waited");
    }

  public:
    std::unique_ptr<async::Event> event;
};

struct WaitingServer {
    explicit WaitingServer(ServerOptions options = {}) : server(waiting.handler(), std::move(options)) {
        waiting.event = std::make_unique<async::Event>(server.context);
    }
    ~WaitingServer() {
        server.stop(std::chrono::seconds(10));
        waiting.event.reset();  // before the loop that it belongs to
    }
    void go_on() {
        server.context.post([this] { waiting.event->set(); });
    }
    Waiting waiting;
    RunningServer server;
};

TEST(DisconnectTest, AClientThatLeavesEndsTheWait) {
    WaitingServer served;
    RawClient client(served.server);
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    client.end();
    EXPECT_FALSE(served.waiting.result.get_future().get());
}

TEST(DisconnectTest, WhatComesNextIsKeptAndNoTimeOutCounts) {
    ServerOptions options;
    options.body_idle_timeout = 1ms;
    WaitingServer served(options);
    RawClient client(served.server);
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\nGET /third HT");
    std::this_thread::sleep_for(20ms);
    served.go_on();
    EXPECT_TRUE(served.waiting.result.get_future().get());
    std::string first = client.read_until("other");
    EXPECT_NE(first.find("waited"), std::string::npos) << first;
    client.send("TP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client.read_until("other").find("200 OK"), std::string::npos);
}

TEST(DisconnectTest, TheEndBehindMoreThanIsKeptIsFoundToo) {
    WaitingServer served;
    RawClient client(served.server);
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(100'000, 'x'));
    client.end();
    EXPECT_FALSE(served.waiting.result.get_future().get());
}

/// Sends back what it gets, on another thread.
async::Task<void> echo(Request& request, Response& response, std::thread::id& thread) {
    thread = std::this_thread::get_id();
    std::vector<std::byte> buffer(50'000);
    size_t count = 1;
    while (count > 0) {
        count = co_await request.read_some(buffer);
        co_await response.write(std::span<const std::byte>(buffer).first(count));
    }
}

TEST(RunOnTest, BodiesMoveOnAnotherThread) {
    async::Thread streams("streams");
    std::thread::id there;
    auto handle = [&](Request& request, Response& response) -> async::Task<void> {
        co_await response.start();
        co_await response.run_on(streams.context(), echo(request, response, there));
        co_await response.finish();
    };
    Handler handler = [&](Request& request, Response& response) { return handle(request, response); };
    RunningServer server(handler);
    std::string body(1'000'000, 'b');
    async::Context context;
    Client client(context, {});
    // Twice on one connection: it comes back each time.
    for (int i = 0; i < 2; ++i) {
        ClientRequest request = request_for(server.url(), "POST");
        request.body.text = body;
        Answer answer = context.block_on(fetch(client, std::move(request)));
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, body);
        EXPECT_NE(there, std::thread::id());
    }
    server.stop(10s);
}

TEST(RunOnTest, AStopCancelsWhatIsAway) {
    async::Thread streams("streams");
    std::promise<void> away;
    auto wait = [&away](Request& request) -> async::Task<void> {
        away.set_value();
        co_await request.disconnected();
    };
    auto handle = [&](Request& request, Response& response) -> async::Task<void> {
        co_await response.start();
        co_await response.run_on(streams.context(), wait(request));
        co_await response.finish();
    };
    Handler handler = [&](Request& request, Response& response) { return handle(request, response); };
    RunningServer server(handler);
    RawClient client(server);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    away.get_future().get();
    server.stop(1ms);
    EXPECT_EQ(client.read_to_end().find("0\r\n\r\n"), std::string::npos) << "the response has no end";
}

TEST(HijackTest, ThePlainSocketWithWhatWasReadAhead) {
    auto handle = [](Request&, Response& response) -> async::Task<void> {
        std::unique_ptr<async::Stream> stream = co_await response.hijack("HTTP/1.1 101 UPGRADED\r\n\r\n");
        std::optional<async::PlainSocket> plain = stream->release_fd();
        stream.reset();
        std::string text = plain ? "got " + plain->before : "none";
        (void)!::send(plain->fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
    };
    Handler handler = [&](Request& request, Response& response) { return handle(request, response); };
    RunningServer server(handler);
    RawClient client(server);
    client.send("POST /attach HTTP/1.1\r\nHost: x\r\n\r\nahead");
    EXPECT_TRUE(client.read_to_end().ends_with("\r\n\r\ngot ahead"));
}

}  // namespace
}  // namespace berth::http

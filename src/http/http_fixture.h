// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "async/context.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "http/client.h"
#include "http/server.h"

namespace berth::http {

/// A server with a loop of its own in a thread, so that blocking clients (raw sockets, curl) can talk with
/// it.
class RunningServer {
  public:
    explicit RunningServer(Handler handler, ServerOptions options = {},
                           std::string address = "tcp://127.0.0.1:0") {
        server_ = std::make_unique<Server>(context, std::move(options), std::move(handler));
        bound = server_->listen(async::Address::parse(address));
        thread_ = std::thread([this] { context.run(); });
    }
    ~RunningServer() { stop(std::chrono::seconds(10)); }

    void stop(std::chrono::milliseconds grace) {
        if (!thread_.joinable()) return;
        context.post([this, grace] { context.spawn("stop", stop_and_end(grace)); });
        thread_.join();
    }

    std::string url(std::string_view target = "/", std::string_view scheme = "http") const {
        return fmt::format("{}://127.0.0.1:{}{}", scheme, bound.port, target);
    }
    /// Asked on the loop.
    size_t open_connections() {
        std::promise<size_t> count;
        context.post([&] { count.set_value(server_->open_connections()); });
        return count.get_future().get();
    }

    async::Context context;
    async::Address bound;

  private:
    async::Task<void> stop_and_end(std::chrono::milliseconds grace) {
        co_await server_->stop(grace);
        server_.reset();
        context.stop();
    }

    std::unique_ptr<Server> server_;
    std::thread thread_;
};

/// A blocking socket that says exactly what it is told to.
class RawClient {
  public:
    explicit RawClient(const RunningServer& server) {
        fd_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(server.bound.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw errno_error(errno, "connect");
        timeval limit{20, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    void send(std::string_view text) {
        while (!text.empty()) {
            ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (count <= 0) return;
            text.remove_prefix(static_cast<size_t>(count));
        }
    }
    void end() { ::shutdown(fd_.get(), SHUT_WR); }
    void reset() { fd_.reset(); }
    /// Until the server closes; a reset is told at the end.
    std::string read_to_end() {
        std::string all;
        while (read_more(all)) {
        }
        return all;
    }
    /// Until `mark` has come.
    std::string read_until(std::string_view mark) {
        std::string all;
        while (all.find(mark) == std::string::npos && read_more(all)) {
        }
        return all;
    }
    /// send, end, read_to_end.
    std::string ask(std::string_view text) {
        send(text);
        end();
        return read_to_end();
    }

  private:
    bool read_more(std::string& into) {
        char buffer[65536];
        ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (count < 0) into += errno == ECONNRESET ? "<reset>" : "<time-out>";
        if (count <= 0) return false;
        into.append(buffer, static_cast<size_t>(count));
        return true;
    }
    UniqueFd fd_;
};

/// The Error of `call`, whose kind is checked; fails the test where there is none.
inline std::string error_of(const std::function<void()>& call, ErrorKind kind = ErrorKind::unavailable) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(to_string(error.kind()), to_string(kind)) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
}

/// One request of a client with its whole response.
struct Answer {
    int status = 0;
    Headers headers;
    std::string body;
};

inline async::Task<Answer> fetch(Client& client, ClientRequest request) {
    auto response = co_await client.send(std::move(request));
    Answer answer;
    answer.status = response->status;
    answer.headers = response->headers;
    answer.body = co_await response->read_all(1'000'000'000);
    co_return answer;
}

inline ClientRequest request_for(std::string_view url, std::string method = "GET") {
    ClientRequest request;
    request.method = std::move(method);
    request.url = Url::parse(url);
    return request;
}

}  // namespace berth::http

// SPDX-License-Identifier: Apache-2.0
#include "http/server_connection.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/log.h"
#include "http/server_exchange.h"
#include "http/tls.h"

namespace berth::http {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kHeadBuffer = 4096;
constexpr std::chrono::seconds kLingerTime(2);
constexpr size_t kLingerBytes = 16 * 1024 * 1024;

/// What a TLS client says first (RFC 8446, 5.1: a handshake record).
bool is_tls_hello(std::string_view text) {
    return text.starts_with('\x16');
}

/// The part of ServerConnection::run_on on the other thread.
async::Task<void> work_and_return(async::Stream& stream, async::Context& home, async::Task<void> work) {
    std::exception_ptr failure;
    try {
        co_await std::move(work);
    } catch (...) {
        failure = std::current_exception();
    }
    // A stream that was closed on the way belongs to nobody's loop any more.
    if (stream.fd() >= 0) stream.move_to(home);
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<ServerState> server, std::unique_ptr<async::Stream> stream)
    : server_(std::move(server)), wire_(std::move(stream)), peer_(wire_->stream().peer()) {}

void ServerConnection::start(std::shared_ptr<ServerState> server, std::unique_ptr<async::Stream> stream) {
    auto connection = std::make_shared<ServerConnection>(server, std::move(stream));
    auto place = server->connections.insert(server->connections.end(), connection.get());
    auto ended = [connection, server, place](std::exception_ptr error) {
        server->connections.erase(place);
        server->connection_ended.set();
        server->connection_ended.reset();
        if (error && !async::is_cancelled(error)) {
            try {
                std::rethrow_exception(error);
            } catch (...) {
                log::debug("connection of {}: {}", connection->peer(), current_exception_message());
            }
        }
    };
    connection->cancel_ = server->context.spawn_cancellable(run(connection), std::move(ended));
}

void ServerConnection::close_if_idle() {
    if (idle_ && wire_) wire_->stream().close();
}

void ServerConnection::abort() {
    if (wire_ && !away_) wire_->stream().close();
    cancel_();
}

async::Task<void> ServerConnection::run_on(async::Context& other, async::Task<void> work) {
    away_ = true;
    wire_->stream().move_to(other);
    async::Task<void> there = work_and_return(wire_->stream(), server_->context, std::move(work));
    std::exception_ptr failure;
    try {
        co_await async::run_on(other, std::move(there));
    } catch (...) {
        failure = std::current_exception();
    }
    away_ = false;
    if (failure) std::rethrow_exception(failure);
}

std::unique_ptr<async::Stream> ServerConnection::release() {
    std::unique_ptr<async::Stream> stream = wire_->release();
    wire_.reset();
    return stream;
}

async::Task<void> ServerConnection::run(std::shared_ptr<ServerConnection> self) {
    std::exception_ptr failure;
    try {
        co_await self->serve();
        if (self->wire_ && self->unread_) co_await self->linger();
    } catch (...) {
        failure = std::current_exception();
    }
    if (self->wire_) self->wire_->stream().close();
    if (failure) std::rethrow_exception(failure);
}

async::Task<void> ServerConnection::serve() {
    if (server_->tls) co_await shake_hands();
    bool first = true;
    while (true) {
        bool comes = co_await wait_for_request(first);
        if (!comes) co_return;
        first = false;
        bool goes_on = co_await serve_one();
        if (!goes_on) co_return;
    }
}

async::Task<void> ServerConnection::shake_hands() {
    std::unique_ptr<async::Stream> plain = release();
    plain->set_read_deadline(Clock::now() + server_->options.header_timeout);
    auto secured = tls_accept(server_->tls, std::move(plain));
    TlsAccepted accepted = co_await std::move(secured);
    client_certificate_ = accepted.client_name;
    wire_.emplace(std::move(accepted.stream));
}

async::Task<bool> ServerConnection::wait_for_request(bool first) {
    if (server_->stopping) co_return false;
    async::Stream& stream = wire_->stream();
    stream.set_idle_timeout(std::chrono::milliseconds(0));
    if (wire_->buffered().empty()) {
        wire_->shrink();
        const ServerOptions& options = server_->options;
        stream.set_read_deadline(Clock::now() +
                                 (first ? options.header_timeout : options.keep_alive_timeout));
        idle_ = true;
        co_await stream.wait_readable();
        idle_ = false;
    }
    // From the first byte on: a client that sends the rest slowly is not waited for longer.
    stream.set_read_deadline(Clock::now() + server_->options.header_timeout);
    co_return true;
}

async::Task<std::optional<RequestHead>> ServerConnection::read_head() {
    size_t limit = server_->options.max_header_bytes;
    HeadFinder finder;
    while (true) {
        // An empty line before a request is what some clients send behind a body (RFC 9112, 2.2).
        while (wire_->buffered().starts_with("\r\n")) {
            wire_->consume(2);
            finder = HeadFinder();
        }
        std::string_view text = wire_->buffered();
        if (is_tls_hello(text))
            throw StatusError(400, ErrorKind::invalid_argument,
                              "client sent a TLS handshake to an HTTP server");
        auto length = finder.find(text);
        if (length.value_or(text.size()) > limit)
            throw StatusError(431, ErrorKind::invalid_argument, "request header fields too large");
        if (length) {
            RequestHead head = parse_request_head(text.substr(0, *length));
            wire_->consume(*length);
            co_return head;
        }
        bool more = co_await wire_->fill(kHeadBuffer);
        if (!more) co_return std::nullopt;
    }
}

async::Task<bool> ServerConnection::serve_one() {
    std::optional<ServerRequest> request;
    std::optional<StatusError> refused;
    try {
        std::optional<RequestHead> head = co_await read_head();
        if (!head) co_return false;
        request.emplace(*this, std::move(*head));
    } catch (const StatusError& error) {
        refused = error;
    } catch (const Error& error) {
        if (error.code() != ETIMEDOUT || wire_->buffered().empty()) throw;
        refused = StatusError(408, ErrorKind::invalid_argument, "the request did not come in time");
    }
    bool goes_on = false;
    if (refused)
        co_await refuse(*refused);
    else
        goes_on = co_await handle(*request);
    co_return goes_on;
}

async::Task<void> ServerConnection::refuse(const StatusError& error) {
    unread_ = true;
    std::string body =
        fmt::format("{} {}: {}\n", error.status(), reason_phrase(error.status()), error.what());
    std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nDate: {}\r\nContent-Length: {}\r\n"
        "Connection: close\r\n\r\n{}",
        error.status(), reason_phrase(error.status()), http_date(), body.size(), body);
    wire_->stream().set_idle_timeout(kLingerTime);
    co_await wire_->stream().write(std::as_bytes(std::span(text)));
}

async::Task<bool> ServerConnection::handle(ServerRequest& request) {
    Clock::time_point begin = Clock::now();
    ServerResponse response(*this, request);
    wire_->stream().set_read_deadline(std::nullopt);
    wire_->stream().set_idle_timeout(server_->options.body_idle_timeout);
    std::exception_ptr failure;
    try {
        co_await server_->handler(request, response);
        if (!response.started()) throw Error(ErrorKind::internal, "the handler gave no response");
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure && async::is_cancelled(failure)) std::rethrow_exception(failure);
    if (failure && !response.started()) {
        auto& make_response = server_->options.error_response;
        if (make_response)
            co_await make_response(failure, request, response);
        else
            co_await default_error_response(failure, response);
        failure = nullptr;
    }
    report(request, response, Clock::now() - begin);
    if (response.hijacked()) co_return false;
    unread_ = !request.body().at_end();
    if (failure) std::rethrow_exception(failure);
    if (!response.finished()) throw Error(ErrorKind::internal, "the handler left its response unfinished");
    if (response.closes()) co_return false;
    bool drained = co_await request.drain();
    unread_ = !drained;
    co_return drained;
}

void ServerConnection::report(const ServerRequest& request, const ServerResponse& response,
                              std::chrono::nanoseconds duration) const {
    if (!server_->options.access) return;
    AccessRecord record;
    record.method = request.method;
    record.target = request.target;
    record.peer = request.peer;
    record.user_agent = request.headers.get("User-Agent");
    record.remote_user = request.remote_user;
    record.status = response.hijacked() ? 101 : response.status;
    record.bytes_in = request.body().bytes_read();
    record.bytes_out = response.bytes_out();
    record.duration = duration;
    server_->options.access(record);
}

async::Task<void> ServerConnection::linger() {
    async::Stream& stream = wire_->stream();
    stream.set_idle_timeout(std::chrono::milliseconds(0));
    stream.set_read_deadline(Clock::now() + kLingerTime);
    co_await stream.shutdown_write();
    wire_->consume(wire_->buffered().size());
    std::vector<std::byte> buffer(64 * 1024);
    for (size_t total = 0; total < kLingerBytes;) {
        size_t count = co_await stream.read_some(buffer);
        if (count == 0) break;
        total += count;
    }
}

}  // namespace berth::http

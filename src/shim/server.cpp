// SPDX-License-Identifier: Apache-2.0
#include "shim/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "base/log.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr size_t kMaxConnections = 64;

json::Value member(const json::Object& object, std::string_view key) {
    const json::Value* value = object.if_contains(key);
    return value != nullptr ? *value : json::Value();
}

/// A request's object, or nothing where it is none.
std::optional<json::Object> parse_request(std::string_view text) {
    try {
        json::Value value = json::parse(text);
        if (!value.is_object() || !member(value.get_object(), "op").is_string()) return std::nullopt;
        return std::move(value.get_object());
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

Connection::Connection(Server& server, Loop& loop, UniqueFd socket, uint64_t id)
    : server_(server), socket_(std::move(socket)), id_(id) {
    watch_.set<&Connection::ready>(loop, socket_.get(), EPOLLIN, this);
}

void Connection::send(std::string text, std::vector<UniqueFd> fds) {
    if (broken_) return;
    Queued message{std::move(text), std::move(fds)};
    if (queue_.empty()) {
        SendResult result = try_send(message);
        if (result == SendResult::sent) return;
        broken_ = result == SendResult::gone;
    }
    queued_bytes_ += message.text.size();
    broken_ |= queued_bytes_ > kMaxQueuedBytes;
    if (broken_) {
        // Not closed here: the caller may be iterating. Shut down, it is ready at once and ready() closes it.
        queue_.clear();
        shutdown(socket_.get(), SHUT_RDWR);
        return;
    }
    queue_.push_back(std::move(message));
    watch_.change(EPOLLIN | EPOLLOUT);
}

SendResult Connection::try_send(const Queued& message) {
    std::vector<int> numbers;
    numbers.reserve(message.fds.size());
    for (const UniqueFd& fd : message.fds) numbers.push_back(fd.get());
    return send_message(socket_.get(), message.text, numbers, false);
}

bool Connection::send_queued() {
    while (!queue_.empty()) {
        SendResult result = try_send(queue_.front());
        if (result == SendResult::would_block) return true;
        if (result == SendResult::gone) return false;
        queued_bytes_ -= queue_.front().text.size();
        queue_.pop_front();
    }
    watch_.change(EPOLLIN);
    return true;
}

void Connection::ready(uint32_t events) {
    if (broken_) return server_.close(*this);
    if ((events & EPOLLOUT) != 0 && !send_queued()) return server_.close(*this);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    std::optional<Message> message;
    try {
        message = receive_message(socket_.get(), false);
    } catch (const Error&) {
        return server_.close(*this);
    }
    if (!message) return;
    if (message->text.empty()) return server_.close(*this);
    std::vector<UniqueFd> fds = std::move(message->fds);
    server_.receive(*this, *message, std::move(fds));
}

void Server::listen(UniqueFd socket) {
    listener_ = std::move(socket);
    reserve_ = sys::open_file("/dev/null", O_RDONLY);
    watch_.set<&Server::accept_ready>(loop_, listener_.get(), EPOLLIN, this);
}

void Server::accept_ready(uint32_t) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno == EMFILE || errno == ENFILE) refuse_one();
        return;
    }
    if (connections_.size() >= kMaxConnections) return;
    try {
        add(std::move(socket));
    } catch (const Error& error) {
        log::warning("a connection could not be taken: {}", error.what());
    }
}

/// Without it, the connection that can't be accepted would be reported for ever.
void Server::refuse_one() noexcept {
    reserve_.reset();
    UniqueFd refused(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    refused.reset();
    reserve_.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Connection& Server::add(UniqueFd socket) {
    uint64_t id = next_id_++;
    auto connection = std::make_unique<Connection>(*this, loop_, std::move(socket), id);
    return *connections_.emplace(id, std::move(connection)).first->second;
}

void Server::close(Connection& connection) {
    uint64_t id = connection.id();
    connections_.erase(id);
    handler_.connection_closed(id);
}

void Server::receive(Connection& connection, const Message& message, std::vector<UniqueFd> fds) {
    std::optional<json::Object> body = parse_request(message.text);
    if (!body) return close(connection);
    Waiter waiter{connection.id(), member(*body, "id")};
    handler_.message_taken();
    if (message.fds_lost)
        return answer_error(waiter,
                            Error(ErrorKind::unavailable, "the shim has no descriptors left", EMFILE));
    Call call{connection, *body, waiter.id, std::move(fds), {}, false};
    try {
        json::Value ok = handler_.handle(call);
        if (!call.deferred) send_answer(connection, call.id, std::move(ok), std::move(call.answer_fds));
    } catch (const Error& error) {
        answer_error(waiter, error);
    } catch (const std::exception&) {
        answer_error(waiter, Error(ErrorKind::internal, current_exception_message()));
    }
}

void Server::send_answer(Connection& connection, const json::Value& id, json::Value ok,
                         std::vector<UniqueFd> fds) {
    std::string text = json::print(json::Object{{"id", id}, {"ok", ok}});
    if (text.size() > kMaxMessage) {
        fds.clear();
        fds.push_back(sys::memory_file("berth-answer", json::print(ok)));
        text = json::print(json::Object{{"id", id}, {"ok_fd", true}});
    }
    connection.send(std::move(text), std::move(fds));
}

void Server::answer(const Waiter& waiter, json::Value ok) {
    auto found = connections_.find(waiter.connection);
    if (found != connections_.end()) send_answer(*found->second, waiter.id, std::move(ok), {});
}

void Server::answer_error(const Waiter& waiter, const Error& error) {
    auto found = connections_.find(waiter.connection);
    if (found == connections_.end()) return;
    json::Object answer{{"id", waiter.id}, {"error", encode_error(error)}};
    found->second->send(json::print(answer));
}

void Server::event(const json::Object& event) {
    std::string text;
    for (auto& [id, connection] : connections_) {
        if (!connection->subscribed()) continue;
        if (text.empty()) text = json::print(event);
        connection->send(text);
    }
}

size_t Server::queued() const noexcept {
    size_t total = 0;
    for (const auto& [id, connection] : connections_) total += connection->queued();
    return total;
}

}  // namespace berth::shim

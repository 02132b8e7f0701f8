// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/unique_fd.h"
#include "shim/loop.h"
#include "shim/protocol.h"

namespace berth::shim {

class Server;

/// One client's connection. Messages that it doesn't take at once wait, up to a limit; past that it is
/// dropped.
class Connection {
  public:
    static constexpr size_t kMaxQueuedBytes = size_t{256} * 1024;

    Connection(Server& server, Loop& loop, UniqueFd socket, uint64_t id);

    uint64_t id() const noexcept { return id_; }
    bool subscribed() const noexcept { return subscribed_; }
    void subscribe() noexcept { subscribed_ = true; }
    size_t queued() const noexcept { return queue_.size(); }

    /// Calls nobody; a connection that broke is noticed by the loop.
    void send(std::string text, std::vector<UniqueFd> fds = {});

  private:
    struct Queued {
        std::string text;
        std::vector<UniqueFd> fds;
    };

    void ready(uint32_t events);
    bool send_queued();
    SendResult try_send(const Queued& message);

    Server& server_;
    UniqueFd socket_;
    uint64_t id_;
    bool subscribed_ = false;
    bool broken_ = false;
    std::deque<Queued> queue_;
    size_t queued_bytes_ = 0;
    Watch watch_;
};

/// A request while it is handled.
struct Call {
    Connection& connection;
    const json::Object& body;
    json::Value id;
    std::vector<UniqueFd> fds;         ///< that came with it; what isn't taken is closed
    std::vector<UniqueFd> answer_fds;  ///< to go with the answer
    bool deferred = false;             ///< Server::answer() comes later
};

/// Who waits for an answer that comes later. The connection may be gone by then.
struct Waiter {
    uint64_t connection = 0;
    json::Value id;
};

/// What the server needs from its owner.
class RequestHandler {
  public:
    /// The answer's "ok". Throws berth::Error.
    virtual json::Value handle(Call& call) = 0;
    /// `id` is no connection any more.
    virtual void connection_closed(uint64_t id) = 0;
    virtual void message_taken() = 0;

  protected:
    ~RequestHandler() = default;
};

/// Accepts connections, reads requests, sends answers and events.
class Server {
  public:
    Server(Loop& loop, RequestHandler& handler) : loop_(loop), handler_(handler) {}
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void listen(UniqueFd socket);
    /// Takes over a connected socket.
    Connection& add(UniqueFd socket);

    void answer(const Waiter& waiter, json::Value ok);
    void answer_error(const Waiter& waiter, const Error& error);
    void event(const json::Object& event);
    /// Messages that wait for slow connections.
    size_t queued() const noexcept;
    size_t connections() const noexcept { return connections_.size(); }

  private:
    friend class Connection;
    void accept_ready(uint32_t events);
    void refuse_one() noexcept;
    void receive(Connection& connection, const Message& message, std::vector<UniqueFd> fds);
    void close(Connection& connection);
    void send_answer(Connection& connection, const json::Value& id, json::Value ok,
                     std::vector<UniqueFd> fds);

    Loop& loop_;
    RequestHandler& handler_;
    UniqueFd listener_;
    UniqueFd reserve_;  ///< given up to refuse a connection when there are no other descriptors
    Watch watch_;
    uint64_t next_id_ = 1;
    std::map<uint64_t, std::unique_ptr<Connection>> connections_;
};

}  // namespace berth::shim

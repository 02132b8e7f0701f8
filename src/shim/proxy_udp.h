// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/unique_fd.h"
#include "shim/proxy_loop.h"

namespace berth::shim {

/// Datagrams. For each client (its address, and the address of ours that it sent to) there is a socket
/// connected to the target; what comes back on it goes to the client, from the address that the client knows.
/// A session ends after `idle_timeout_ms` without a datagram in either direction, or, as the oldest of
/// kMaxSessions, for a new one.
class UdpForwarder final : public Forwarder, private Watcher {
  public:
    static constexpr size_t kMaxSessions = 1024;

    /// `socket` is adopted. Throws where the kernel refuses to watch it.
    UdpForwarder(ProxyLoop& loop, UniqueFd socket, const SocketAddress& target, int64_t idle_timeout_ms);

    int64_t deadline_ms() const noexcept override;
    void tick() override;
    void end_of_round() noexcept override { dead_.clear(); }
    void retarget(const SocketAddress& target) override;
    void stop() override;
    bool finished() const noexcept override { return !socket_; }

  private:
    /// The local address of a client's datagram, ready to be the source of the answers.
    struct LocalAddress {
        int family = 0;  ///< 0: unknown
        in6_addr address{};
        uint32_t interface = 0;
    };
    /// No padding: hashed and compared as bytes.
    struct Key {
        in6_addr client{};
        in6_addr local{};
        uint32_t scope = 0;
        uint32_t port = 0;
        bool operator==(const Key& other) const noexcept;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const noexcept;
    };
    struct Session final : Watcher {
        UdpForwarder* owner = nullptr;
        UniqueFd socket;
        SocketAddress client;
        LocalAddress local;
        Key key;
        int64_t used_ms = 0;
        std::list<Session>::iterator place;
        void ready(uint32_t events) override;
    };
    using Sessions = std::list<Session>;  ///< the one used longest ago first

    void ready(uint32_t events) override;
    bool receive_one();
    void answer(Session& session);
    Session* session_of(const SocketAddress& client, const LocalAddress& local);
    UniqueFd connect_target();
    void touch(Session& session) noexcept;
    void drop_oldest() noexcept;

    static Key make_key(const SocketAddress& client, const LocalAddress& local) noexcept;
    static LocalAddress local_address(msghdr& message) noexcept;
    void send_back(const Session& session, size_t size) noexcept;

    ProxyLoop& loop_;
    UniqueFd socket_;
    SocketAddress target_;
    int64_t idle_timeout_ms_;
    Sessions sessions_;
    Sessions dead_;
    std::unordered_map<Key, Session*, KeyHash> by_key_;
};

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <memory>

#include "net/dns/answer.h"
#include "net/dns/forwarder.h"
#include "net/dns/poller.h"
#include "net/dns/server.h"

/// One container's DNS server: its two sockets, its connections, and what it sees. Of the stream context.
namespace berth::net::dns {

/// Room for one batch of queries and answers by UDP. All services share it: a batch is over before the next
/// one begins.
struct Batch {
    static constexpr size_t kCount = 32;
    static constexpr size_t kMaxQuery = 2048;
    static constexpr size_t kMaxAnswer = 4096;  ///< by UDP, whatever the client takes
    static constexpr size_t kRoom = 60'000;     ///< less than the longest message by UDP

    struct Answer {
        size_t peer;  ///< index
        size_t begin, size;
    };
    Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    /// What waits at the socket, into `queries`, and forgets answers of before; how many came.
    size_t receive(int socket);
    /// The next answer's room. Nothing where what is there must be sent first.
    std::span<uint8_t> room();
    void add(size_t peer, size_t size);
    /// Answers of the same size to the same client are one message of several segments (UDP_SEGMENT, udp(7)):
    /// they pass the routes and packet rules together. What can't be sent is dropped.
    void send(int socket);

    std::array<std::array<uint8_t, kMaxQuery>, kCount> queries;
    std::array<sockaddr_in, kCount> peers;
    std::array<mmsghdr, kCount> received;

  private:
    size_t compose();
    void send_apart(int socket, const msghdr& message, int code);

    std::array<uint8_t, kRoom> room_;
    std::array<Answer, kCount> answers_;
    size_t count_ = 0, used_ = 0;
    std::array<iovec, kCount> in_, out_;
    std::array<mmsghdr, kCount> sent_;
    struct alignas(cmsghdr) Control {
        std::array<uint8_t, CMSG_SPACE(sizeof(uint16_t))> bytes;
    };
    std::array<Control, kCount> controls_;
    bool has_segments_ = true;  ///< the kernel takes them
};

/// What all services share.
struct Shared {
    Shared(async::Context& context, DnsServer::Options options);
    Poller poller;
    Forwarder forwarder;
    Answerer answerer;
    Names names;
    std::unique_ptr<Batch> batch;
    static constexpr size_t kMaxTcpAnswer = 65535;
    std::unique_ptr<uint8_t[]> tcp_answer;  ///< room for one
};

class Service {
  public:
    Service(Shared& shared, DnsClient client, DnsSockets sockets);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void update(DnsClient client);

  private:
    class Udp;
    class Listener;
    class Connection;

    /// The answer's size in `into`; 0: the query is passed on, or deserves no answer.
    template <typename Forward>
    size_t serve(Packet packet, std::span<uint8_t> into, bool by_tcp, Forward&& forward);

    Shared& shared_;
    View view_;
    std::unique_ptr<Udp> udp_;
    std::unique_ptr<Listener> listener_;
    Forwarder::Client upstream_;  // first to go: its questions belong to the sockets above
};

}  // namespace berth::net::dns

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/dns/message.h"
#include "net/dns/poller.h"
#include "net/dns/resolvers.h"

/// Questions on their way to other servers, by UDP and TCP. Of the stream context.
namespace berth::net::dns {

/// Who has a question under way. May end itself in each of these calls.
class Asker {
  public:
    virtual ~Asker() = default;
    /// Something came that has the question's id, by UDP. Anybody may have sent it.
    virtual void received(std::span<uint8_t> message) = 0;
    virtual void received_by_tcp(std::span<uint8_t> message) = 0;
    /// There won't be an answer.
    virtual void failed() = 0;
    virtual void failed_by_tcp() = 0;
};

uint16_t random_id();

class UdpPool;

/// A socket that is connected to one server, from a port that the kernel chose. It is used for some queries,
/// so that not each pays for it, and then replaced, so that nobody can guess its port for long.
class UdpSocket : public Poller::Watch {
  public:
    UdpSocket(Poller& poller, UdpPool& pool, const Upstream& server, UniqueFd socket);
    ~UdpSocket() override;

    bool leads_to(const Upstream& server) const;
    bool is_used_up() const;
    /// Gives the question an id of its own. False where it could not be sent.
    bool ask(Asker& asker, std::span<uint8_t> query, uint16_t& id);
    void forget(Asker& asker);

  private:
    struct Waiting {
        Asker* asker;
        uint16_t id;
    };
    void ready(uint32_t events) override;
    void fail_all();
    void rest();

    UdpPool& pool_;
    Upstream server_;
    std::vector<Waiting> waiting_;
    unsigned used_ = 0;
    Poller::Timer idle_;
};

/// The sockets in one namespace. They are made when needed and go when they are idle.
class UdpPool {
  public:
    UdpPool(Poller& poller, std::chrono::milliseconds idle) : poller_(poller), idle_(idle) {}
    /// One for the server, in the namespace (-1: the present one). Throws where there can't be one: no route,
    /// no descriptor.
    UdpSocket& socket(const Upstream& server, int netns);
    size_t size() const { return sockets_.size(); }

  private:
    friend class UdpSocket;
    void erase(const UdpSocket* socket);
    Poller& poller_;
    std::chrono::milliseconds idle_;
    std::vector<std::unique_ptr<UdpSocket>> sockets_;
};

/// One question by TCP, over a connection of its own.
class TcpQuestion : public Poller::Watch {
  public:
    /// Throws as UdpPool::socket.
    TcpQuestion(Poller& poller, Asker& asker, const Upstream& server, int netns, Packet query);

  private:
    void ready(uint32_t events) override;
    bool send();
    bool receive();

    Asker& asker_;
    std::string out_, in_;
};

}  // namespace berth::net::dns

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "net/dns/message.h"
#include "net/dns/poller.h"
#include "net/dns/resolvers.h"
#include "net/dns/upstream.h"

namespace berth::net::dns {

/// Asks other servers for what isn't ours. Each gets one time-out to answer, then it's the next one's turn (a
/// single one gets two). Messages pass as they are, but for their ids, and answers that belong to no question
/// are dropped. Of the stream context.
class Forwarder {
  public:
    struct Options {
        std::chrono::milliseconds timeout{2000};
        std::chrono::milliseconds idle{10'000};  ///< an unused socket is kept so long
        size_t max_questions = 4096;             ///< under way, of all clients
        size_t max_client_questions = 256;
    };
    class Client;
    /// The query as it came, and the answer with its id; empty: there is none. Both end with the call.
    using Done = std::function<void(Packet query, std::span<uint8_t> answer)>;

    Forwarder(Poller& poller, std::string resolv_conf, Options options);
    ~Forwarder();

  private:
    class Exchange;
    Poller& poller_;
    Options options_;
    HostResolvers host_;
    UdpPool host_sockets_;
    size_t questions_ = 0;
};

/// A container that asks. Its questions end with it, without a call.
class Forwarder::Client {
  public:
    explicit Client(Forwarder& forwarder);
    ~Client();

    /// As DnsClient has them.
    void configure(const std::vector<std::string>& servers, bool is_internal, UniqueFd netns);
    /// `query` is what parse_query took. `whole`: an answer that was truncated on its way to us is fetched by
    /// TCP. `done` may be called before this returns.
    void ask(Packet query, const Query& parsed, bool whole, Done done);
    size_t questions() const { return exchanges_.size(); }
    size_t sockets() const { return sockets_.size(); }

  private:
    friend class Exchange;
    Forwarder& forwarder_;
    UniqueFd netns_;
    std::shared_ptr<UpstreamList> servers_;  ///< null: the host's
    bool is_internal_ = false;
    UdpPool sockets_;
    std::list<Exchange> exchanges_;  // before the sockets that they wait at
};

}  // namespace berth::net::dns

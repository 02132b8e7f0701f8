// SPDX-License-Identifier: Apache-2.0
#include "net/dns/forwarder.h"

#include <cstring>
#include <utility>

#include "base/error.h"

namespace berth::net::dns {

namespace {

/// How long the server that answered is asked first, where an earlier one did not answer.
constexpr std::chrono::seconds kDetour{60};

}  // namespace

/// One question, from server to server:
///
///   try_next ── sent ──► waits ── answer ──────────────────────────────► finish
///     ▲  ▲                 │ └─ TC, all of it is wanted ── TcpQuestion ──► finish
///     │  └── time-out ─────┘                                  └ failed ─► finish (with what came by UDP)
///     └───── refused, SERVFAIL
///   no server left ──► finish (with the last failure that was answered, or nothing)
class Forwarder::Exchange final : public Asker {
  public:
    Exchange(Client& client, Packet query, const Query& parsed, bool whole, Done done)
        : client_(client),
          query_(query.begin(), query.end()),
          sent_(query_),
          question_end_(parsed.question_end),
          wants_whole_(whole),
          done_(std::move(done)),
          timer_(client.forwarder_.poller_, [this] { timed_out(); }) {
        ++client_.forwarder_.questions_;
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() override {
        --client_.forwarder_.questions_;
        leave_socket();
    }

    void begin(std::list<Exchange>::iterator self) {
        self_ = self;
        list_ = client_.servers_ ? client_.servers_ : client_.forwarder_.host_.current();
        first_ = Poller::Clock::now() < list_->until ? list_->first : 0;
        repeats_ = list_->servers.size() == 1 ? 1 : 0;
        try_next();
    }

  private:
    void received(std::span<uint8_t> message) override {
        if (!answers(message, query_, question_end_, id_)) return;
        uint16_t flags = get16(message, 2);
        if (is_failure(flags)) {
            leave_socket();
            failure_.assign(message.begin(), message.end());
            return try_next();
        }
        if ((flags & kTruncated) != 0 && wants_whole_ && ask_by_tcp()) {
            failure_.assign(message.begin(), message.end());
            return;
        }
        finish(message);
    }

    void received_by_tcp(std::span<uint8_t> message) override {
        if (!answers(message, query_, question_end_, id_)) return failed_by_tcp();
        finish(message);
    }

    void failed() override {
        socket_ = nullptr;
        try_next();
    }

    void failed_by_tcp() override {
        std::vector<uint8_t> truncated = std::move(failure_);
        finish(truncated);
    }

    void timed_out() {
        if (tcp_) return failed_by_tcp();
        leave_socket();
        is_late_ = true;
        if (tried_ == list_->servers.size() && repeats_ > 0) {
            --repeats_;
            tried_ = 0;
        }
        try_next();
    }

    static bool is_failure(uint16_t flags) {
        auto code = static_cast<Rcode>(flags & kRcode);
        return code == Rcode::server_failure || code == Rcode::refused;
    }

    int netns_for(const Upstream& server) const { return server.is_hosts ? -1 : client_.netns_.get(); }

    void try_next() {
        size_t count = list_->servers.size();
        while (tried_ < count) {
            present_ = (first_ + tried_++) % count;
            const Upstream& server = list_->servers[present_];
            // From the container's namespace only what it can reach itself is reached.
            if (server.is_hosts && client_.is_internal_) continue;
            if (!send(server)) continue;
            timer_.set(client_.forwarder_.options_.timeout);
            return;
        }
        std::vector<uint8_t> failure = std::move(failure_);
        finish(failure);
    }

    bool send(const Upstream& server) {
        try {
            UdpPool& pool = server.is_hosts ? client_.forwarder_.host_sockets_ : client_.sockets_;
            UdpSocket& socket = pool.socket(server, netns_for(server));
            if (!socket.ask(*this, sent_, id_)) return false;
            socket_ = &socket;
            return true;
        } catch (const Error&) {
            return false;  // no route, no descriptor: as a server that does not answer
        }
    }

    bool ask_by_tcp() {
        const Upstream& server = list_->servers[present_];
        try {
            tcp_ = std::make_unique<TcpQuestion>(client_.forwarder_.poller_, *this, server, netns_for(server),
                                                 Packet(sent_));
        } catch (const Error&) {
            return false;
        }
        leave_socket();
        timer_.set(client_.forwarder_.options_.timeout);
        return true;
    }

    void leave_socket() {
        if (UdpSocket* socket = std::exchange(socket_, nullptr)) socket->forget(*this);
    }

    /// The end of this object.
    void finish(std::span<uint8_t> answer) {
        if (answer.size() >= kHeaderSize) {
            std::memcpy(answer.data(), query_.data(), 2);
            // The question's letters as the client wrote them.
            if (get16(answer, 4) == 1)
                std::memcpy(answer.data() + kHeaderSize, query_.data() + kHeaderSize,
                            question_end_ - kHeaderSize);
            if (is_late_ && !is_failure(get16(answer, 2))) {
                list_->first = present_;
                list_->until = Poller::Clock::now() + kDetour;
            }
        }
        Done done = std::move(done_);
        std::vector<uint8_t> query = std::move(query_);
        // A connection's buffer holds what came by it.
        std::unique_ptr<TcpQuestion> tcp = std::move(tcp_);
        client_.exchanges_.erase(self_);
        done(query, answer);
    }

    Client& client_;
    std::list<Exchange>::iterator self_;
    std::vector<uint8_t> query_, sent_;
    size_t question_end_;
    bool wants_whole_;
    Done done_;
    Poller::Timer timer_;
    std::shared_ptr<UpstreamList> list_;
    size_t first_ = 0, tried_ = 0, present_ = 0;
    unsigned repeats_ = 0;
    bool is_late_ = false;  ///< a server did not answer in its time
    uint16_t id_ = 0;
    UdpSocket* socket_ = nullptr;  ///< where it waits
    std::unique_ptr<TcpQuestion> tcp_;
    std::vector<uint8_t> failure_;  ///< the answer unless there is a better one
};

Forwarder::Forwarder(Poller& poller, std::string resolv_conf, Options options)
    : poller_(poller),
      options_(options),
      host_(std::move(resolv_conf)),
      host_sockets_(poller, options.idle) {}

Forwarder::~Forwarder() = default;

Forwarder::Client::Client(Forwarder& forwarder)
    : forwarder_(forwarder), sockets_(forwarder.poller_, forwarder.options_.idle) {}

Forwarder::Client::~Client() = default;

void Forwarder::Client::configure(const std::vector<std::string>& servers, bool is_internal, UniqueFd netns) {
    servers_ = servers.empty() ? nullptr : parse_servers(servers);
    is_internal_ = is_internal;
    if (netns) netns_ = std::move(netns);
}

void Forwarder::Client::ask(Packet query, const Query& parsed, bool whole, Done done) {
    if (exchanges_.size() >= forwarder_.options_.max_client_questions ||
        forwarder_.questions_ >= forwarder_.options_.max_questions) {
        done(query, {});
        return;
    }
    auto self = exchanges_.emplace(exchanges_.end(), *this, query, parsed, whole, std::move(done));
    self->begin(self);
}

}  // namespace berth::net::dns

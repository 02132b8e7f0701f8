// SPDX-License-Identifier: Apache-2.0
#include "net/dns/service.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace berth::net::dns {

namespace {

constexpr size_t kMaxConnections = 16;  ///< of one container; others wait in the backlog
constexpr size_t kMaxTcpQuery = 4096;
constexpr size_t kMaxPipelined = 16;
constexpr std::chrono::seconds kIdle{10};
/// accept(2) is tried again so long after there was no descriptor or memory for a connection.
constexpr std::chrono::seconds kRest{1};

bool is_transfer(uint16_t type) {
    return type == kAxfr || type == kIxfr;
}

/// An answer from elsewhere as the client can take it. `buffer`: room for one that is made here.
std::span<const uint8_t> fit(Packet query_packet, std::span<uint8_t> answer, size_t limit,
                             std::span<uint8_t> buffer) {
    if (!answer.empty() && answer.size() <= limit) return answer;
    Query query;
    parse_query(query_packet, query);
    if (answer.size() < kHeaderSize)
        return buffer.first(write_failure(query_packet, query, Rcode::server_failure, buffer));
    Writer writer(buffer, kPlainUdpSize);
    writer.begin(query_packet, query, static_cast<Rcode>(get16(answer, 2) & kRcode));
    writer.set_truncated();
    return buffer.first(writer.finish());
}

}  // namespace

Shared::Shared(async::Context& context, DnsServer::Options options)
    : poller(context),
      forwarder(poller, std::move(options.resolv_conf), {.timeout = options.server_timeout}),
      answerer(options.ttl_s),
      batch(std::make_unique<Batch>()),
      tcp_answer(new uint8_t[kMaxTcpAnswer]) {}

template <typename Forward>
size_t Service::serve(Packet packet, std::span<uint8_t> into, bool by_tcp, Forward&& forward) {
    Query query;
    std::optional<Rcode> code = parse_query(packet, query);
    if (!code) return 0;
    if (*code == Rcode::ok && (query.klass != kInternet || is_transfer(query.type))) code = Rcode::refused;
    if (*code != Rcode::ok) return write_failure(packet, query, *code, into);
    size_t limit = by_tcp ? into.size() : std::min<size_t>(query.udp_size, into.size());
    size_t size = shared_.answerer.answer(view_, packet, query, into, limit);
    if (size == 0) forward(query);
    return size;
}

class Service::Udp final : public Poller::Watch {
  public:
    Udp(Service& service, UniqueFd socket) : Watch(service.shared_.poller), service_(service) {
        watch(std::move(socket), EPOLLIN);
    }

  private:
    void ready(uint32_t) override {
        Batch& batch = *service_.shared_.batch;
        size_t count = batch.receive(fd());
        for (size_t i = 0; i < count; ++i) answer(batch, i);
        batch.send(fd());
    }

    void answer(Batch& batch, size_t n) {
        // What does not fit is cut off, and then malformed.
        Packet packet(batch.queries[n].data(), batch.received[n].msg_len);
        auto forward = [&](const Query& query) {
            auto done = [this, peer = batch.peers[n], limit = query.udp_size](
                            Packet asked, std::span<uint8_t> answer) { reply(peer, limit, asked, answer); };
            service_.upstream_.ask(packet, query, query.udp_size > kOwnUdpSize, std::move(done));
        };
        if (batch.room().empty()) batch.send(fd());
        size_t size = service_.serve(packet, batch.room(), false, forward);
        if (size != 0) batch.add(n, size);
    }

    void reply(const sockaddr_in& peer, size_t limit, Packet query, std::span<uint8_t> answer) {
        std::array<uint8_t, kPlainUdpSize> buffer;
        std::span<const uint8_t> bytes = fit(query, answer, limit, buffer);
        (void)!::sendto(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
    }

    Service& service_;
};

class Service::Listener final : public Poller::Watch {
  public:
    Listener(Service& service, UniqueFd socket);
    ~Listener() override;
    Service& service() { return service_; }
    Connection* find(uint64_t id);
    void erase(uint64_t id);

  private:
    void ready(uint32_t) override;

    Service& service_;
    Poller::Timer rest_;
    uint64_t last_id_ = 0;
    std::vector<std::unique_ptr<Connection>> connections_;
};

/// Reads a query when the answers before it are on their way: who does not read gets no more of them.
class Service::Connection final : public Poller::Watch {
  public:
    Connection(Listener& listener, UniqueFd socket, uint64_t id)
        : Watch(listener.service().shared_.poller),
          listener_(listener),
          id_(id),
          idle_(poller(), [this] { listener_.erase(id_); }) {
        watch(std::move(socket), EPOLLIN);
        idle_.set(kIdle);
    }
    uint64_t id() const { return id_; }

    void reply(Packet query, std::span<uint8_t> answer) {
        --pending_;
        std::array<uint8_t, kPlainUdpSize> buffer;
        append(fit(query, answer, Shared::kMaxTcpAnswer, buffer));
        // Else serve_query() goes on by itself.
        if (!is_asking_) go_on();
    }

  private:
    void ready(uint32_t events) override {
        bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
        if (!broken && (events & EPOLLIN) != 0) broken = !receive();
        if (broken) return listener_.erase(id_);
        go_on();
    }

    /// False where the connection is broken.
    bool receive() {
        char buffer[kMaxTcpQuery + 2];
        ssize_t size = ::recv(fd(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        idle_.set(kIdle);
        ended_ = size == 0;
        in_.append(buffer, static_cast<size_t>(size));
        return true;
    }

    /// Answers what is there and waits for what can come next. May end this.
    void go_on() {
        // What is on its way first: queries that came before may wait for it.
        bool valid = send() && serve_queries() && send();
        bool over = ended_ && pending_ == 0 && out_.empty();
        if (!valid || over) return listener_.erase(id_);
        uint32_t events = out_.empty() ? 0 : EPOLLOUT;
        if (!ended_ && is_free()) events |= EPOLLIN;
        change(events);
    }

    bool is_free() const { return out_.empty() && pending_ < kMaxPipelined; }

    bool serve_queries() {
        while (is_free() && in_.size() >= 2) {
            Packet bytes(reinterpret_cast<const uint8_t*>(in_.data()), in_.size());
            size_t size = get16(bytes, 0);
            if (size > kMaxTcpQuery) return false;
            if (in_.size() - 2 < size) break;
            serve_query(bytes.subspan(2, size));
            in_.erase(0, 2 + size);
            if (!send()) return false;
        }
        return true;
    }

    void serve_query(Packet packet) {
        Service& service = listener_.service();
        auto forward = [&](const Query& query) {
            ++pending_;
            auto done = [&listener = listener_, id = id_](Packet asked, std::span<uint8_t> answer) {
                if (Connection* connection = listener.find(id)) connection->reply(asked, answer);
            };
            is_asking_ = true;
            service.upstream_.ask(packet, query, true, std::move(done));
            is_asking_ = false;
        };
        std::span<uint8_t> into(service.shared_.tcp_answer.get(), Shared::kMaxTcpAnswer);
        append(into.first(service.serve(packet, into, true, forward)));
    }

    void append(std::span<const uint8_t> answer) {
        if (answer.empty()) return;
        out_ += static_cast<char>(answer.size() >> 8);
        out_ += static_cast<char>(answer.size());
        out_.append(reinterpret_cast<const char*>(answer.data()), answer.size());
    }

    bool send() {
        if (out_.empty()) return true;
        ssize_t sent = ::send(fd(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        idle_.set(kIdle);
        out_.erase(0, static_cast<size_t>(sent));
        return true;
    }

    Listener& listener_;
    uint64_t id_;
    Poller::Timer idle_;
    std::string in_, out_;
    size_t pending_ = 0;      ///< passed on
    bool ended_ = false;      ///< the client sends no more
    bool is_asking_ = false;  ///< an answer may come before ask() returns
};

Service::Listener::Listener(Service& service, UniqueFd socket)
    : Watch(service.shared_.poller), service_(service), rest_(poller(), [this] { change(EPOLLIN); }) {
    watch(std::move(socket), EPOLLIN);
}

Service::Listener::~Listener() = default;

Service::Connection* Service::Listener::find(uint64_t id) {
    for (auto& connection : connections_)
        if (connection->id() == id) return connection.get();
    return nullptr;
}

void Service::Listener::erase(uint64_t id) {
    std::erase_if(connections_, [&](const auto& connection) { return connection->id() == id; });
    change(EPOLLIN);
}

void Service::Listener::ready(uint32_t) {
    while (connections_.size() < kMaxConnections) {
        UniqueFd socket(::accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
            change(0);
            return rest_.set(kRest);
        }
        connections_.push_back(std::make_unique<Connection>(*this, std::move(socket), ++last_id_));
    }
    change(0);
}

Service::Service(Shared& shared, DnsClient client, DnsSockets sockets)
    : shared_(shared), upstream_(shared.forwarder) {
    update(std::move(client));
    udp_ = std::make_unique<Udp>(*this, std::move(sockets.udp));
    listener_ = std::make_unique<Listener>(*this, std::move(sockets.tcp));
}

Service::~Service() = default;

void Service::update(DnsClient client) {
    view_.networks.clear();
    for (const std::string& id : client.networks) view_.networks.push_back(shared_.names.network(id));
    view_.own_names.clear();
    for (auto& [name, addresses] : client.own_names)
        view_.own_names.emplace_back(lower_case(name), std::move(addresses));
    upstream_.configure(client.servers, client.is_internal, std::move(client.netns));
}

}  // namespace berth::net::dns

// SPDX-License-Identifier: Apache-2.0
#include "net/dns/upstream.h"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "net/namespace.h"
#include "sys/file.h"

namespace berth::net::dns {

namespace {

constexpr unsigned kMaxUses = 100;
constexpr size_t kMaxMessage = 65535;

std::span<uint8_t> receive_buffer() {
    // Of the one thread that all of this runs on; a message is looked at before the next is read.
    static thread_local std::unique_ptr<uint8_t[]> buffer(new uint8_t[kMaxMessage]);
    return {buffer.get(), kMaxMessage};
}

UniqueFd connect_to(const Upstream& server, int netns, int type) {
    std::optional<NamespaceScope> inside;
    if (netns >= 0) inside.emplace(netns);
    UniqueFd socket(
        sys::check(::socket(server.address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    int result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&server.address), server.size);
    if (result != 0 && errno != EINPROGRESS) throw errno_error(errno, "connect");
    return socket;
}

bool must_wait(int code) {
    return code == EAGAIN || code == EINTR;
}

}  // namespace

uint16_t random_id() {
    static thread_local std::array<uint16_t, 128> ids;
    static thread_local size_t left = 0;
    if (left == 0) {
        // Up to 256 bytes come whole, getrandom(2).
        sys::check(::getrandom(ids.data(), sizeof ids, 0), "getrandom");
        left = ids.size();
    }
    return ids[--left];
}

UdpSocket::UdpSocket(Poller& poller, UdpPool& pool, const Upstream& server, UniqueFd socket)
    : Watch(poller), pool_(pool), server_(server), idle_(poller, [this] { pool_.erase(this); }) {
    watch(std::move(socket), EPOLLIN);
}

UdpSocket::~UdpSocket() = default;

bool UdpSocket::leads_to(const Upstream& server) const {
    return server.size == server_.size && std::memcmp(&server.address, &server_.address, server.size) == 0;
}

bool UdpSocket::is_used_up() const {
    return used_ >= kMaxUses;
}

bool UdpSocket::ask(Asker& asker, std::span<uint8_t> query, uint16_t& id) {
    auto is_taken = [&] { return std::ranges::find(waiting_, id, &Waiting::id) != waiting_.end(); };
    do {
        id = random_id();
    } while (is_taken());
    put16(query, 0, id);
    ++used_;
    idle_.cancel();
    // What an ICMP message said about an earlier query comes out here; then once more.
    ssize_t sent = -1;
    for (int attempt = 0; attempt < 2 && sent < 0; ++attempt)
        sent = ::send(fd(), query.data(), query.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        rest();
        return false;
    }
    waiting_.push_back({&asker, id});
    return true;
}

void UdpSocket::forget(Asker& asker) {
    std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.asker == &asker; });
    rest();
}

/// Nobody waits: to be closed soon, at once if it isn't used again.
void UdpSocket::rest() {
    if (waiting_.empty()) idle_.set(is_used_up() ? std::chrono::milliseconds(0) : pool_.idle_);
}

void UdpSocket::fail_all() {
    while (!waiting_.empty()) {
        Asker* asker = waiting_.back().asker;
        waiting_.pop_back();
        asker->failed();
    }
    rest();
}

void UdpSocket::ready(uint32_t) {
    std::span<uint8_t> buffer = receive_buffer();
    for (int i = 0; i < 32; ++i) {
        ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0) {
            if (!must_wait(errno)) fail_all();
            return;
        }
        if (size < 2) continue;
        auto found = std::ranges::find(waiting_, get16(buffer, 0), &Waiting::id);
        if (found != waiting_.end()) found->asker->received(buffer.first(static_cast<size_t>(size)));
    }
}

UdpSocket& UdpPool::socket(const Upstream& server, int netns) {
    for (auto& socket : sockets_)
        if (!socket->is_used_up() && socket->leads_to(server)) return *socket;
    UniqueFd socket = connect_to(server, netns, SOCK_DGRAM);
    sockets_.push_back(std::make_unique<UdpSocket>(poller_, *this, server, std::move(socket)));
    return *sockets_.back();
}

void UdpPool::erase(const UdpSocket* socket) {
    std::erase_if(sockets_, [&](const auto& item) { return item.get() == socket; });
}

TcpQuestion::TcpQuestion(Poller& poller, Asker& asker, const Upstream& server, int netns, Packet query)
    : Watch(poller), asker_(asker) {
    out_.resize(2);
    put16({reinterpret_cast<uint8_t*>(out_.data()), 2}, 0, static_cast<uint16_t>(query.size()));
    out_.append(reinterpret_cast<const char*>(query.data()), query.size());
    watch(connect_to(server, netns, SOCK_STREAM), EPOLLOUT);
}

void TcpQuestion::ready(uint32_t) {
    bool goes_on = out_.empty() ? receive() : send();
    // The asker ends this: nothing of it after these calls.
    if (!goes_on) return asker_.failed_by_tcp();
    if (in_.size() < 2) return;
    std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(in_.data()), in_.size());
    size_t size = get16(bytes, 0);
    if (in_.size() - 2 >= size) asker_.received_by_tcp(bytes.subspan(2, size));
}

bool TcpQuestion::send() {
    ssize_t sent = ::send(fd(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return must_wait(errno);
    out_.erase(0, static_cast<size_t>(sent));
    if (out_.empty()) change(EPOLLIN);
    return true;
}

bool TcpQuestion::receive() {
    std::span<uint8_t> buffer = receive_buffer();
    ssize_t size = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return must_wait(errno);
    in_.append(reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(size));
    return size > 0;
}

}  // namespace berth::net::dns

// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_udp.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr size_t kMaxDatagram = ProxyLoop::kBufferSize;
constexpr int kDatagramsInARow = 64;

union ControlSpace {
    cmsghdr header;
    char v4[CMSG_SPACE(sizeof(in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(in6_pktinfo))];
    char both[CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(in6_pktinfo))];
};

template <typename Info>
void put_control(msghdr& message, int level, int type, const Info& info) {
    message.msg_controllen = CMSG_SPACE(sizeof info);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

}  // namespace

bool UdpForwarder::Key::operator==(const Key& other) const noexcept {
    static_assert(sizeof(Key) == 2 * sizeof(in6_addr) + 2 * sizeof(uint32_t));
    return std::memcmp(this, &other, sizeof other) == 0;
}

size_t UdpForwarder::KeyHash::operator()(const Key& key) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&key), sizeof key});
}

UdpForwarder::UdpForwarder(ProxyLoop& loop, UniqueFd socket, const SocketAddress& target,
                           int64_t idle_timeout_ms)
    : loop_(loop), socket_(std::move(socket)), target_(target), idle_timeout_ms_(idle_timeout_ms) {
    // The one that doesn't belong to the socket's family is refused; a dual-stack socket delivers IPv6's for
    // both.
    int on = 1;
    (void)::setsockopt(socket_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    (void)::setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    if (!loop_.watch(socket_.get(), EPOLLIN, *this)) throw errno_error(errno, "epoll_ctl");
}

int64_t UdpForwarder::deadline_ms() const noexcept {
    return sessions_.empty() ? -1 : sessions_.front().used_ms + idle_timeout_ms_;
}

void UdpForwarder::tick() {
    while (!sessions_.empty() && loop_.now_ms() >= deadline_ms()) drop_oldest();
}

void UdpForwarder::retarget(const SocketAddress& target) {
    while (!sessions_.empty()) drop_oldest();
    target_ = target;
}

void UdpForwarder::stop() {
    while (!sessions_.empty()) drop_oldest();
    if (socket_) loop_.forget(socket_.get());
    socket_.reset();
}

void UdpForwarder::drop_oldest() noexcept {
    Session& session = sessions_.front();
    by_key_.erase(session.key);
    session.socket.reset();
    dead_.splice(dead_.end(), sessions_, sessions_.begin());
}

void UdpForwarder::touch(Session& session) noexcept {
    session.used_ms = loop_.now_ms();
    sessions_.splice(sessions_.end(), sessions_, session.place);
}

void UdpForwarder::ready(uint32_t) {
    loop_.touch(*this);
    for (int i = 0; i < kDatagramsInARow && socket_; ++i)
        if (!receive_one()) return;
}

UdpForwarder::LocalAddress UdpForwarder::local_address(msghdr& message) noexcept {
    LocalAddress local;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            local = {AF_INET6, info.ipi6_addr, 0};
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) local.interface = info.ipi6_ifindex;
            // Nobody may send from a group's address: then the kernel chooses.
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr)) local.address = in6addr_any;
            return local;
        }
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            local.family = AF_INET;
            // Not known for what came before the option was set; then it is the packet's own destination.
            const in_addr& address =
                info.ipi_spec_dst.s_addr != INADDR_ANY ? info.ipi_spec_dst : info.ipi_addr;
            std::memcpy(&local.address, &address, sizeof address);
        }
    }
    return local;
}

UdpForwarder::Key UdpForwarder::make_key(const SocketAddress& client, const LocalAddress& local) noexcept {
    Key key;
    key.local = local.address;
    if (client.family() == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &client.storage, sizeof address);
        key.client = address.sin6_addr;
        key.scope = address.sin6_scope_id;
        key.port = address.sin6_port;
    } else {
        sockaddr_in address{};
        std::memcpy(&address, &client.storage, sizeof address);
        std::memcpy(&key.client, &address.sin_addr, sizeof address.sin_addr);
        key.port = address.sin_port;
    }
    return key;
}

bool UdpForwarder::receive_one() {
    SocketAddress client;
    ControlSpace control;
    iovec data{loop_.buffer(), kMaxDatagram};
    msghdr message{};
    message.msg_name = &client.storage;
    message.msg_namelen = sizeof client.storage;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    ssize_t got = sys::retry([&] { return ::recvmsg(socket_.get(), &message, MSG_DONTWAIT); });
    if (got < 0) return errno == ECONNREFUSED;  // an answer that its client no longer wanted
    client.length = message.msg_namelen;
    Session* session = session_of(client, local_address(message));
    if (session == nullptr) return true;
    auto size = static_cast<size_t>(got);
    // The first send after an ICMP error reports that error in place of sending.
    if (::send(session->socket.get(), loop_.buffer(), size, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
        (void)::send(session->socket.get(), loop_.buffer(), size, MSG_DONTWAIT);
    touch(*session);
    return true;
}

UniqueFd UdpForwarder::connect_target() {
    UniqueFd fd(::socket(target_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
    if (!fd && (errno == EMFILE || errno == ENFILE) && !sessions_.empty()) {
        drop_oldest();
        fd.reset(::socket(target_.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
    }
    if (fd && ::connect(fd.get(), target_.get(), target_.length) < 0) fd.reset();
    return fd;
}

/// The session of a client, made if need be; nothing where the kernel refuses: the datagram is lost, as
/// datagrams are.
UdpForwarder::Session* UdpForwarder::session_of(const SocketAddress& client, const LocalAddress& local) {
    Key key = make_key(client, local);
    if (auto found = by_key_.find(key); found != by_key_.end()) return found->second;
    if (sessions_.size() >= kMaxSessions) drop_oldest();
    UniqueFd fd = connect_target();
    if (!fd) return nullptr;
    Session& session = sessions_.emplace_back();
    session.owner = this;
    session.socket = std::move(fd);
    session.client = client;
    session.local = local;
    session.key = key;
    session.used_ms = loop_.now_ms();
    session.place = std::prev(sessions_.end());
    if (!loop_.watch(session.socket.get(), EPOLLIN, session)) {
        sessions_.pop_back();
        return nullptr;
    }
    by_key_.emplace(key, &session);
    return &session;
}

void UdpForwarder::Session::ready(uint32_t) {
    if (socket) owner->answer(*this);
}

void UdpForwarder::answer(Session& session) {
    loop_.touch(*this);
    for (int i = 0; i < kDatagramsInARow; ++i) {
        ssize_t got = sys::retry(
            [&] { return ::recv(session.socket.get(), loop_.buffer(), kMaxDatagram, MSG_DONTWAIT); });
        // An ICMP error of the target can't be passed on; reading has taken it off the socket.
        if (got < 0) return;
        send_back(session, static_cast<size_t>(got));
        touch(session);
    }
}

void UdpForwarder::send_back(const Session& session, size_t size) noexcept {
    ControlSpace control{};
    iovec data{loop_.buffer(), size};
    SocketAddress client = session.client;
    msghdr message{};
    message.msg_name = &client.storage;
    message.msg_namelen = client.length;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    if (session.local.family == AF_INET6) {
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO,
                    in6_pktinfo{session.local.address, session.local.interface});
    } else if (session.local.family == AF_INET) {
        in_pktinfo info{};
        std::memcpy(&info.ipi_spec_dst, &session.local.address, sizeof info.ipi_spec_dst);
        put_control(message, IPPROTO_IP, IP_PKTINFO, info);
    } else {
        message.msg_control = nullptr;
        message.msg_controllen = 0;
    }
    (void)::sendmsg(socket_.get(), &message, MSG_DONTWAIT);
}

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

#include "net/dns/service.h"

namespace berth::net::dns {

namespace {

bool is_same(const sockaddr_in& a, const sockaddr_in& b) {
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

}  // namespace

Batch::Batch() {
    for (size_t i = 0; i < kCount; ++i) {
        in_[i] = {queries[i].data(), kMaxQuery};
        received[i] = {};
        received[i].msg_hdr.msg_name = &peers[i];
        received[i].msg_hdr.msg_iov = &in_[i];
        received[i].msg_hdr.msg_iovlen = 1;
    }
}

size_t Batch::receive(int socket) {
    count_ = used_ = 0;
    for (mmsghdr& message : received) message.msg_hdr.msg_namelen = sizeof(sockaddr_in);
    int count = ::recvmmsg(socket, received.data(), kCount, MSG_DONTWAIT, nullptr);
    return count > 0 ? static_cast<size_t>(count) : 0;
}

std::span<uint8_t> Batch::room() {
    if (kRoom - used_ < kMaxAnswer) return {};
    return std::span(room_).subspan(used_, kMaxAnswer);
}

void Batch::add(size_t peer, size_t size) {
    answers_[count_++] = {peer, used_, size};
    used_ += size;
}

/// Makes messages of the answers; how many.
size_t Batch::compose() {
    std::array<bool, kCount> taken{};
    size_t messages = 0, pieces = 0;
    for (size_t i = 0; i < count_; ++i) {
        if (taken[i]) continue;
        const Answer& first = answers_[i];
        msghdr& message = sent_[messages].msg_hdr;
        message = {};
        message.msg_name = &peers[first.peer];
        message.msg_namelen = sizeof(sockaddr_in);
        message.msg_iov = &out_[pieces];
        for (size_t j = i; j < count_; ++j) {
            const Answer& other = answers_[j];
            if (taken[j] || other.size != first.size || !is_same(peers[other.peer], peers[first.peer]))
                continue;
            taken[j] = true;
            out_[pieces++] = {room_.data() + other.begin, other.size};
            ++message.msg_iovlen;
            if (!has_segments_) break;
        }
        if (message.msg_iovlen > 1) {
            message.msg_control = controls_[messages].bytes.data();
            message.msg_controllen = CMSG_SPACE(sizeof(uint16_t));
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_UDP;
            header->cmsg_type = UDP_SEGMENT;
            header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
            auto segment = static_cast<uint16_t>(first.size);
            std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
        }
        ++messages;
    }
    return messages;
}

void Batch::send(int socket) {
    size_t count = compose();
    for (size_t done = 0; done < count;) {
        int sent = ::sendmmsg(socket, sent_.data() + done, static_cast<unsigned>(count - done),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) break;  // the clients ask again
        if (sent < 0) send_apart(socket, sent_[done].msg_hdr, errno);
        done += sent > 0 ? static_cast<size_t>(sent) : 1;
    }
    count_ = used_ = 0;
}

/// A message that the kernel does not take: in its pieces where it has some, else (a client at port 0) not at
/// all.
void Batch::send_apart(int socket, const msghdr& message, int code) {
    if (message.msg_iovlen == 1) return;
    if (code == EINVAL || code == EIO) has_segments_ = false;
    for (size_t i = 0; i < message.msg_iovlen; ++i)
        (void)!::sendto(socket, message.msg_iov[i].iov_base, message.msg_iov[i].iov_len,
                        MSG_DONTWAIT | MSG_NOSIGNAL, static_cast<const sockaddr*>(message.msg_name),
                        message.msg_namelen);
}

}  // namespace berth::net::dns

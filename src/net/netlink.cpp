// SPDX-License-Identifier: Apache-2.0
#include "net/netlink.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "net/namespace.h"
#include "sys/file.h"

namespace berth::net::netlink {

namespace {

// So few that their answers fit into the socket's receive buffer, each taking about 800 bytes of it.
constexpr size_t kMessagesAtOnce = 64;

int error_of(const nlmsghdr& reply) {
    return -body_of<nlmsgerr>(reply).error;
}

/// The text of an error, which is behind the request's header (NETLINK_CAP_ACK leaves out the rest).
std::string words_of(const nlmsghdr& reply) {
    if ((reply.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    size_t start = NLMSG_LENGTH(sizeof(nlmsgerr));
    if ((reply.nlmsg_flags & NLM_F_CAPPED) == 0)
        start += NLMSG_ALIGN(body_of<nlmsgerr>(reply).msg.nlmsg_len) - NLMSG_HDRLEN;
    if (start >= reply.nlmsg_len) return {};
    return Attributes({reinterpret_cast<const char*>(&reply) + start, reply.nlmsg_len - start})
        .text(NLMSGERR_ATTR_MSG);
}

}  // namespace

void Message::attribute(uint16_t type, std::string_view data) {
    // Its length is without the padding: the kernel takes no number that is too long.
    nlattr attribute{.nla_len = static_cast<uint16_t>(NLA_HDRLEN + data.size()), .nla_type = type};
    append(&attribute, sizeof(attribute));
    append(data.data(), data.size());
}

void Message::append(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

size_t Message::open(uint16_t type) {
    size_t start = bytes_.size();
    nlattr attribute{.nla_len = NLA_HDRLEN, .nla_type = type};
    append(&attribute, sizeof(attribute));
    return start;
}

void Message::close(size_t start) {
    auto size = static_cast<uint16_t>(bytes_.size() - start);
    memcpy(bytes_.data() + start, &size, sizeof(size));
}

Attributes::Attributes(std::string_view data) {
    while (data.size() >= NLA_HDRLEN) {
        nlattr header{};
        memcpy(&header, data.data(), sizeof(header));
        if (header.nla_len < NLA_HDRLEN || header.nla_len > data.size()) return;
        values_[header.nla_type & NLA_TYPE_MASK] = data.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
        data.remove_prefix(std::min<size_t>(NLA_ALIGN(header.nla_len), data.size()));
    }
}

std::optional<std::string_view> Attributes::find(uint16_t type) const {
    auto found = values_.find(type);
    if (found == values_.end()) return std::nullopt;
    return found->second;
}

std::string Attributes::text(uint16_t type) const {
    std::string_view data = find(type).value_or(std::string_view());
    return std::string(data.substr(0, data.find('\0')));
}

Socket::Socket(int protocol)
    : fd_(sys::check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "netlink socket")) {
    // Old kernels may know neither; their errors then have no words.
    int on = 1;
    setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    // Lists are filtered by the kernel as their request's header says.
    if (protocol == NETLINK_ROUTE)
        setsockopt(fd_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
}

void Socket::send_all(std::vector<Message>& messages, size_t from, size_t to) {
    std::vector<iovec> parts;
    for (size_t i = from; i < to; ++i) {
        nlmsghdr& header = messages[i].header();
        header.nlmsg_len = static_cast<uint32_t>(messages[i].bytes_.size());
        header.nlmsg_seq = ++sequence_;
        // Errors are answered in any case, in order: one answer tells that all was done.
        if (i + 1 == to) header.nlmsg_flags |= NLM_F_ACK;
        parts.push_back({.iov_base = messages[i].bytes_.data(), .iov_len = messages[i].bytes_.size()});
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    sys::check(sys::retry([&] { return sendmsg(fd_.get(), &message, 0); }), "netlink send");
}

void Socket::receive(const std::function<bool(const nlmsghdr&)>& on_message) {
    alignas(nlmsghdr) char buffer[32768];  // the kernel makes answers of at most this size
    while (true) {
        auto left = static_cast<size_t>(sys::check(
            sys::retry([&] { return recv(fd_.get(), buffer, sizeof(buffer), 0); }), "netlink receive"));
        for (const char* at = buffer; left >= NLMSG_HDRLEN;) {
            const auto& reply = *reinterpret_cast<const nlmsghdr*>(at);
            if (reply.nlmsg_len < NLMSG_HDRLEN || reply.nlmsg_len > left) break;
            if (!on_message(reply)) return;
            size_t step = std::min<size_t>(NLMSG_ALIGN(reply.nlmsg_len), left);
            at += step;
            left -= step;
        }
    }
}

std::vector<Refusal> Socket::exchange(std::vector<Message>& messages, const OnReply& on_reply) {
    std::vector<Refusal> refusals;
    for (size_t from = 0; from < messages.size(); from += kMessagesAtOnce) {
        size_t to = std::min(messages.size(), from + kMessagesAtOnce);
        uint32_t before = sequence_;
        send_all(messages, from, to);
        receive([&](const nlmsghdr& reply) {
            size_t number = reply.nlmsg_seq - before - 1;
            if (number >= to - from) return true;  // left of a call that threw
            if (reply.nlmsg_type != NLMSG_ERROR) {
                if (on_reply) on_reply(reply);
                return true;
            }
            if (int code = error_of(reply); code != 0)
                refusals.push_back({.index = from + number, .code = code, .words = words_of(reply)});
            return from + number + 1 < to;
        });
    }
    return refusals;
}

void throw_refusal(const Message& message, const Refusal& refusal) {
    if (refusal.words.empty()) throw errno_error(refusal.code, message.what());
    throw errno_error(refusal.code, fmt::format("{} ({})", message.what(), refusal.words));
}

void Socket::must(std::vector<Message> messages, const OnReply& on_reply) {
    auto refusals = exchange(messages, on_reply);
    if (!refusals.empty()) throw_refusal(messages[refusals.front().index], refusals.front());
}

int Socket::request(Message message, const OnReply& on_reply) {
    std::vector<Message> one;
    one.push_back(std::move(message));
    auto refusals = exchange(one, on_reply);
    return refusals.empty() ? 0 : refusals.front().code;
}

bool Socket::dump(Message message, const OnReply& on_reply) {
    message.header().nlmsg_flags |= NLM_F_DUMP;
    std::vector<Message> one;
    one.push_back(std::move(message));
    uint32_t number = sequence_ + 1;
    send_all(one, 0, 1);
    bool complete = true;
    Refusal refusal;
    receive([&](const nlmsghdr& reply) {
        if (reply.nlmsg_seq != number) return true;
        if ((reply.nlmsg_flags & NLM_F_DUMP_INTR) != 0) complete = false;
        if (reply.nlmsg_type == NLMSG_DONE) {
            // It carries the errno of a listing that broke off.
            if (int code = -body_of<int>(reply); code > 0) refusal.code = code;
            return false;
        }
        if (reply.nlmsg_type == NLMSG_ERROR) {
            refusal = {.index = 0, .code = error_of(reply), .words = words_of(reply)};
            return false;
        }
        on_reply(reply);
        return true;
    });
    if (refusal.code != 0) throw_refusal(one.front(), refusal);
    return complete;
}

Socket socket_in(int netns, int protocol) {
    NamespaceScope scope(netns);
    return Socket(protocol);
}

}  // namespace berth::net::netlink

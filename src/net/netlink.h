// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

/// netlink(7) as rtnetlink, sock_diag and nfnetlink speak it: messages are built, sent several at a time, and
/// their answers read. Blocking; the kernel answers within the send.
namespace berth::net::netlink {

/// One request: a header of a fixed form, then attributes, each at a multiple of 4 bytes.
class Message {
  public:
    /// `what` is for people: "bridge berth0: set up".
    template <typename Body>
    Message(std::string what, uint16_t type, uint16_t flags, const Body& body) : what_(std::move(what)) {
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
        append(&header, sizeof(header));
        append(&body, sizeof(body));
    }

    void attribute(uint16_t type, std::string_view data);
    /// With the zero byte at its end.
    void text(uint16_t type, const std::string& value) { attribute(type, {value.c_str(), value.size() + 1}); }
    /// In the host's byte order, as the kernel wants most.
    template <typename Integer>
    void number(uint16_t type, Integer value) {
        attribute(type, {reinterpret_cast<const char*>(&value), sizeof(value)});
    }
    /// An attribute that holds what `fill` adds.
    template <typename Fill>
    void nested(uint16_t type, Fill&& fill) {
        size_t start = open(type);
        fill();
        close(start);
    }
    /// A fixed part inside an attribute (the ifinfomsg of VETH_INFO_PEER).
    template <typename Body>
    void body(const Body& value) {
        append(&value, sizeof(value));
    }

    const std::string& what() const { return what_; }

  private:
    friend class Socket;
    void append(const void* data, size_t size);
    size_t open(uint16_t type);
    void close(size_t start);
    nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }

    std::string what_, bytes_;
};

/// The attributes of an answer; of several with one type the last. Valid as long as the answer.
class Attributes {
  public:
    explicit Attributes(std::string_view data);
    /// Those behind the fixed part of a message.
    template <typename Body>
    static Attributes of(const nlmsghdr& message) {
        size_t fixed = NLMSG_SPACE(sizeof(Body));
        if (message.nlmsg_len < fixed) return Attributes({});
        return Attributes({reinterpret_cast<const char*>(&message) + fixed, message.nlmsg_len - fixed});
    }

    std::optional<std::string_view> find(uint16_t type) const;
    /// Without the zero byte; "" where there is none.
    std::string text(uint16_t type) const;
    /// Nothing where there is none or it is shorter.
    template <typename Integer>
    std::optional<Integer> number(uint16_t type) const {
        auto data = find(type);
        Integer value{};
        if (!data || data->size() < sizeof(value)) return std::nullopt;
        memcpy(&value, data->data(), sizeof(value));
        return value;
    }
    Attributes nested(uint16_t type) const { return Attributes(find(type).value_or(std::string_view())); }

  private:
    std::map<uint16_t, std::string_view> values_;
};

/// The fixed part of an answer; zeros where it is shorter.
template <typename Body>
Body body_of(const nlmsghdr& message) {
    Body result{};
    if (message.nlmsg_len >= NLMSG_LENGTH(sizeof(Body)))
        memcpy(&result, reinterpret_cast<const char*>(&message) + NLMSG_HDRLEN, sizeof(Body));
    return result;
}

/// What the kernel refused.
struct Refusal {
    size_t index = 0;   ///< of the message in its batch
    int code = 0;       ///< errno
    std::string words;  ///< the kernel's ("Nexthop has invalid gateway"), or ""
};

using OnReply = std::function<void(const nlmsghdr&)>;

/// A socket of the network namespace that the thread was in when it was made; it keeps that alive.
class Socket {
  public:
    explicit Socket(int protocol);

    /// Sends all in one system call (more where they are many). The kernel does one after the other, also
    /// after one that it refuses. What it answers besides goes to `on_reply`.
    std::vector<Refusal> exchange(std::vector<Message>& messages, const OnReply& on_reply = {});
    /// As exchange; throws for the first that was refused: "<what>: <errno's words>", with the kernel's own.
    void must(std::vector<Message> messages, const OnReply& on_reply = {});
    /// One message; 0 or errno.
    int request(Message message, const OnReply& on_reply = {});
    /// False where what was listed changed meanwhile, so that it may be incomplete. Throws where refused.
    [[nodiscard]] bool dump(Message message, const OnReply& on_reply);
    /// Dumps until the list is complete; `read` gives an entry or nothing.
    template <typename T>
    std::vector<T> list(const Message& message,
                        const std::function<std::optional<T>(const nlmsghdr&)>& read) {
        std::vector<T> result;
        for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
            result.clear();
            bool complete = dump(message, [&](const nlmsghdr& reply) {
                if (auto one = read(reply)) result.push_back(std::move(*one));
            });
            if (complete) break;
        }
        return result;
    }

    int descriptor() const { return fd_.get(); }

  private:
    static constexpr int kDumpAttempts = 10;
    void send_all(std::vector<Message>& messages, size_t from, size_t to);
    /// Calls `on_message` until it says that nothing more is to come.
    void receive(const std::function<bool(const nlmsghdr&)>& on_message);

    UniqueFd fd_;
    uint32_t sequence_ = 0;
};

/// A socket of that namespace; the thread goes there for the length of one system call.
Socket socket_in(int netns, int protocol);

/// The errno and words of a refused message, as an Error.
[[noreturn]] void throw_refusal(const Message& message, const Refusal& refusal);

}  // namespace berth::net::netlink

// SPDX-License-Identifier: Apache-2.0
#include "shim/protocol.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/file.h"
#include "sys/unix_socket.h"

namespace berth::shim {

namespace {

union FdControl {
    cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * kMaxMessageFds)];
};

std::vector<UniqueFd> take_fds(msghdr& header) {
    std::vector<UniqueFd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

constexpr std::array kKinds = {
    ErrorKind::not_found,    ErrorKind::conflict,        ErrorKind::invalid_argument,
    ErrorKind::unauthorized, ErrorKind::forbidden,       ErrorKind::not_modified,
    ErrorKind::unavailable,  ErrorKind::not_implemented, ErrorKind::internal};

std::string kind_name(ErrorKind kind) {
    std::string name(to_string(kind));
    std::ranges::replace(name, ' ', '_');
    return name;
}

/// Texts with names that a client or an image chose may be of any length: a message must hold them, with all
/// bytes escaped, and be JSON. The ends say what was tried and what came of it.
constexpr size_t kMaxErrorEnd = 4096;

std::string sendable(std::string_view text) {
    if (text.size() <= 2 * kMaxErrorEnd) return json::valid_utf8(std::string(text));
    return json::valid_utf8(
        fmt::format("{} … {}", text.substr(0, kMaxErrorEnd), text.substr(text.size() - kMaxErrorEnd)));
}

}  // namespace

SendResult send_message(int socket, std::string_view text, const std::vector<int>& fds, bool wait) {
    if (text.size() > kMaxMessage || fds.size() > kMaxMessageFds)
        throw make_error(ErrorKind::invalid_argument, "message of {} bytes is too long", text.size());
    iovec data{const_cast<char*>(text.data()), text.size()};
    FdControl control{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
    }
    int flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
    if (sys::retry([&] { return sendmsg(socket, &header, flags); }) >= 0) return SendResult::sent;
    return errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS ? SendResult::would_block
                                                                        : SendResult::gone;
}

std::optional<Message> receive_message(int socket, bool wait) {
    // One message may be waiting for a small buffer's sake only: its length is asked first.
    int flags = wait ? 0 : MSG_DONTWAIT;
    auto peek = [&] {
        return sys::retry([&] { return recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC | flags); });
    };
    ssize_t length = peek();
    // The other side closed without reading all that was sent to it. Told once; what it sent before is still
    // here.
    if (length < 0 && errno == ECONNRESET) length = peek();
    if (length < 0 && errno == EAGAIN) return std::nullopt;
    if (length < 0 && errno != ECONNRESET) throw errno_error(errno, "recv");
    if (length <= 0) return Message{};
    Message message;
    message.text.resize(std::min(static_cast<size_t>(length), kMaxMessage));
    iovec data{message.text.data(), message.text.size()};
    FdControl control{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    ssize_t got = sys::retry([&] { return recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags); });
    if (got < 0) throw errno_error(errno, "recvmsg");
    message.fds = take_fds(header);
    message.fds_lost = (header.msg_flags & MSG_CTRUNC) != 0;
    if ((header.msg_flags & MSG_TRUNC) != 0)
        throw make_error(ErrorKind::invalid_argument, "a message of {} bytes is too long", length);
    message.text.resize(static_cast<size_t>(got));
    return message;
}

json::Object encode_error(const Error& error) {
    json::Object object{
        {"kind", kind_name(error.kind())}, {"message", sendable(error.what())}, {"code", error.code()}};
    if (const auto* program = dynamic_cast<const ProgramError*>(&error))
        object["exit_code"] = program->exit_code();
    return object;
}

void throw_error(const json::Object& object) {
    auto text = [&](std::string_view key) -> std::string {
        const json::Value* value = object.if_contains(key);
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
    };
    auto number = [&](std::string_view key) -> std::optional<int> {
        const json::Value* value = object.if_contains(key);
        if (value == nullptr || !value->is_int64()) return std::nullopt;
        return static_cast<int>(value->get_int64());
    };
    std::string name = text("kind");
    auto kind = std::ranges::find_if(kKinds, [&](ErrorKind k) { return kind_name(k) == name; });
    Error error(kind == kKinds.end() ? ErrorKind::internal : *kind, text("message"),
                number("code").value_or(0));
    if (auto exit_code = number("exit_code")) throw ProgramError(error, *exit_code);
    throw error;
}

UniqueFd connect_beneath(int directory, const std::string& name) {
    UniqueFd socket(sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket"));
    sockaddr_un address = sys::unix_address(directory, name);
    sys::check(sys::retry([&] {
                   return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
               }),
               [&] { return "connect " + name; });
    return socket;
}

UniqueFd listen_beneath(int directory, const std::string& name, mode_t mode) {
    UniqueFd socket(
        sys::check(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
    // The mode of the socket's file is this descriptor's: set before bind, there is no moment with a wider
    // one.
    sys::check(fchmod(socket.get(), mode), "fchmod socket");
    unlinkat(directory, name.c_str(), 0);
    sockaddr_un address = sys::unix_address(directory, name);
    sys::check(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
               [&] { return "bind " + name; });
    sys::check(listen(socket.get(), 64), [&] { return "listen " + name; });
    return socket;
}

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#include "pidfd_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "sys/file.h"

namespace berth::oci {

PidfdSocket::PidfdSocket(const std::string& path) {
    if (path.empty()) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path))
        throw make_error(ErrorKind::invalid_argument, "--pidfd-socket: the path is too long: {}", path);
    std::memcpy(address.sun_path, path.data(), path.size());
    auto what = [&] { return "connect to pidfd socket " + path; };
    socket_.reset(sys::check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), what));
    sys::check(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), what);
}

void PidfdSocket::send(int pidfd) {
    if (!socket_) return;
    char text[] = "pidfd";
    iovec data{text, sizeof(text) - 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &pidfd, sizeof(int));
    sys::check(sys::retry([&] { return sendmsg(socket_.get(), &message, MSG_NOSIGNAL); }), "send the pidfd");
}

}  // namespace berth::oci

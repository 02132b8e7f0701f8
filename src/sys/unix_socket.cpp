// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

#include "sys/file.h"

namespace berth::sys {

sockaddr_un unix_address(int directory, const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
    if (path.size() >= sizeof address.sun_path)
        throw make_error(ErrorKind::invalid_argument, "socket name {} is too long", name);
    path.copy(address.sun_path, path.size());
    return address;
}

void connect_unix(int socket, const std::string& path) {
    sockaddr_un address{};
    UniqueFd folder;
    if (path.size() < sizeof address.sun_path) {
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
    } else {
        size_t slash = path.rfind('/');
        folder =
            open_file(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_PATH | O_DIRECTORY);
        address = unix_address(folder.get(), path.substr(slash + 1));
    }
    check(
        retry([&] { return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address); }),
        [&] { return "connect to " + path; });
}

UniqueFd connect_unix(const std::string& path) {
    UniqueFd socket(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    connect_unix(socket.get(), path);
    return socket;
}

size_t send_with_fd(int socket, std::string_view data, int fd) {
    iovec piece{const_cast<char*>(data.data()), data.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return static_cast<size_t>(
        check(retry([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); }), "sendmsg"));
}

}  // namespace berth::sys

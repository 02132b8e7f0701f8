// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/json.h"
#include "runtime/seccomp.h"
#include "sys/file.h"

namespace berth::runtime {

namespace {

constexpr timeval kTimeout{.tv_sec = 10, .tv_usec = 0};

/// A path too long for sockaddr_un is reached through its folder's descriptor, which must live until connect
/// is done.
void connect_to(int socket, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string name = path;
    UniqueFd folder;
    if (name.size() >= sizeof(address.sun_path)) {
        size_t slash = path.rfind('/');
        folder = sys::open_file(slash == std::string::npos ? "." : path.substr(0, slash + 1),
                                O_PATH | O_DIRECTORY);
        name = fmt::format("/proc/self/fd/{}/{}", folder.get(), path.substr(slash + 1));
        if (name.size() >= sizeof(address.sun_path)) throw errno_error(ENAMETOOLONG, "connect to " + path);
    }
    memcpy(address.sun_path, name.data(), name.size());
    sys::check(sys::retry([&] {
                   return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
               }),
               [&] { return "connect to " + path; });
}

/// Sends at least the first byte, and the descriptor with it. Returns how much was sent.
size_t send_with_fd(int socket, std::string_view data, int fd) {
    iovec piece{const_cast<char*>(data.data()), data.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return static_cast<size_t>(
        sys::check(sys::retry([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }), "sendmsg"));
}

}  // namespace

std::string make_container_process_state(const spec::State& state, pid_t pid, std::string_view metadata) {
    std::string text = fmt::format(R"({{"ociVersion":{},"fds":["seccompFd"],"pid":{})",
                                   json::print_string(state.ociVersion), pid);
    if (!metadata.empty()) text += fmt::format(R"(,"metadata":{})", json::print_string(metadata));
    text += fmt::format(R"(,"state":{}}})", spec::encode_state(state));
    return text;
}

void send_seccomp_listener(const std::string& socket_path, int listener_fd, std::string_view state) {
    with_context(
        [&] { return fmt::format("linux.seccomp.listenerPath: {}", socket_path); },
        [&] {
            UniqueFd socket(sys::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
            sys::check(setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kTimeout, sizeof(kTimeout)),
                       "setsockopt");
            connect_to(socket.get(), socket_path);
            state.remove_prefix(send_with_fd(socket.get(), state, listener_fd));
            while (!state.empty()) {
                ssize_t sent = sys::check(
                    sys::retry([&] { return send(socket.get(), state.data(), state.size(), MSG_NOSIGNAL); }),
                    "send");
                state.remove_prefix(static_cast<size_t>(sent));
            }
        });
}

}  // namespace berth::runtime

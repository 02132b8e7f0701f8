// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/time.h>

#include "base/json.h"
#include "runtime/seccomp.h"
#include "sys/file.h"
#include "sys/unix_socket.h"

namespace berth::runtime {

namespace {

constexpr timeval kTimeout{.tv_sec = 10, .tv_usec = 0};

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
            sys::connect_unix(socket.get(), socket_path);
            state.remove_prefix(sys::send_with_fd(socket.get(), state, listener_fd));
            while (!state.empty()) {
                ssize_t sent = sys::check(
                    sys::retry([&] { return send(socket.get(), state.data(), state.size(), MSG_NOSIGNAL); }),
                    "send");
                state.remove_prefix(static_cast<size_t>(sent));
            }
        });
}

}  // namespace berth::runtime

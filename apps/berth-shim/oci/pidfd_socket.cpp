// SPDX-License-Identifier: Apache-2.0
#include "pidfd_socket.h"

#include "base/error.h"
#include "sys/unix_socket.h"

namespace berth::oci {

PidfdSocket::PidfdSocket(const std::string& path) {
    if (path.empty()) return;
    socket_ = with_context("--pidfd-socket", [&] { return sys::connect_unix(path); });
}

void PidfdSocket::send(int pidfd) {
    if (!socket_) return;
    with_context("--pidfd-socket", [&] { sys::send_with_fd(socket_.get(), "pidfd", pidfd); });
}

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "daemon_notify.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace berth::app {

ServiceNotifier::ServiceNotifier() {
    if (const char* address = ::getenv("NOTIFY_SOCKET")) address_ = address;
    ::unsetenv("NOTIFY_SOCKET");
}

void ServiceNotifier::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
}

void ServiceNotifier::status(std::string_view text) const {
    send(fmt::format("STATUS={}", text));
}

void ServiceNotifier::send(std::string_view state) const {
    sockaddr_un address{};
    if (address_.empty() || address_.size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, address_.data(), address_.size());
    if (address_[0] == '@') address.sun_path[0] = '\0';  // an abstract one
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<sockaddr*>(&address), size) < 0)
        log::warning("telling the service manager: {}", errno_text(errno));
}

}  // namespace berth::app

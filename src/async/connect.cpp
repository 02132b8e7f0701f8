// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/loop.h"
#include "async/socket.h"
#include "async/socket_address.h"
#include "async/stream.h"

namespace berth::async {

namespace asio = boost::asio;

namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds time_left(Clock::time_point end) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    return std::max(left, std::chrono::milliseconds(1));
}

Error dial_error(const SocketAddress& to, std::string_view why, int code = 0) {
    const char* network = to.family() == AF_UNIX ? "unix" : "tcp";
    return Error(ErrorKind::unavailable, fmt::format("dial {} {}: {}", network, to.text(), why), code);
}

/// Waits for the kernel to finish a connect(2) that is under way, and gives the socket back.
Task<UniqueFd> finish_connect(UniqueFd fd, const SocketAddress& to, Clock::time_point end) {
    auto executor = co_await asio::this_coro::executor;
    UniqueFd watched = fd.duplicate();
    Socket socket(executor, std::move(watched), to.text());
    socket.set_idle_timeout(time_left(end));
    bool timed_out = false;
    try {
        co_await socket.wait(Direction::write);
    } catch (const Error& error) {
        if (error.code() != ETIMEDOUT) throw;
        timed_out = true;
    }
    if (timed_out) throw dial_error(to, "i/o timeout", ETIMEDOUT);
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) throw dial_error(to, "connect: " + errno_text(code), code);
    co_return fd;
}

Task<UniqueFd> connect_to(const SocketAddress& to, Clock::time_point end) {
    while (true) {
        UniqueFd fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!fd) throw errno_error(errno, "socket");
        if (::connect(fd.get(), to.get(), to.size) == 0) co_return fd;
        int code = errno;
        if (code == EINPROGRESS) {
            Task<UniqueFd> finished = finish_connect(std::move(fd), to, end);
            UniqueFd connected = co_await std::move(finished);
            co_return connected;
        }
        // A unix socket whose backlog is full has no way to wait for room.
        if (code != EAGAIN && code != EINTR) throw dial_error(to, "connect: " + errno_text(code), code);
        if (Clock::now() >= end) throw dial_error(to, "i/o timeout", ETIMEDOUT);
        co_await sleep_for(std::chrono::milliseconds(5));
    }
}

Task<std::vector<SocketAddress>> addresses_of(Address address) {
    std::vector<SocketAddress> found;
    if (address.kind == Address::Kind::unix_socket) {
        found.push_back(SocketAddress::of_path(address.host));
    } else if (address.host.empty() || is_ip_address(address.host)) {
        found = look_up(address.host, address.port, false);
    } else {
        auto ask = [address] {
            return with_context("dial tcp", [&] { return look_up(address.host, address.port, false); });
        };
        found = co_await run_blocking(std::move(ask));
    }
    co_return found;
}

}  // namespace

Task<std::unique_ptr<Stream>> connect(Address address, std::chrono::milliseconds limit) {
    auto executor = co_await asio::this_coro::executor;
    Clock::time_point end = Clock::now() + limit;
    std::vector<SocketAddress> addresses = co_await addresses_of(address);
    std::exception_ptr first_failure;
    for (size_t i = 0; i < addresses.size(); ++i) {
        // Of what time is left each address gets its share, so that one that is silent does not use it up.
        auto share = time_left(end) / static_cast<int>(addresses.size() - i);
        Clock::time_point address_end = Clock::now() + share;
        try {
            UniqueFd fd = co_await connect_to(addresses[i], address_end);
            co_return make_stream(executor, std::move(fd));
        } catch (...) {
            if (is_cancelled(std::current_exception())) throw;
            if (!first_failure) first_failure = std::current_exception();
        }
    }
    if (!first_failure)
        throw make_error(ErrorKind::unavailable, "dial tcp: lookup {}: no address", address.host);
    std::rethrow_exception(first_failure);
}

std::unique_ptr<Stream> adopt(Context& context, UniqueFd socket) {
    return make_stream(context.impl().io.get_executor(), std::move(socket));
}

}  // namespace berth::async

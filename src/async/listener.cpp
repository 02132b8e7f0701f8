// SPDX-License-Identifier: Apache-2.0
#include "async/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/loop.h"
#include "async/socket.h"
#include "async/socket_address.h"
#include "base/log.h"

namespace berth::async {

struct Listener::State {
    State(Context& context, UniqueFd fd)
        : socket(context.impl().io.get_executor(), std::move(fd), "listener") {}
    Socket socket;
    Address address;
    std::string made_path;
    ino_t made_inode = 0;
    bool closed = false;
};

namespace {

[[noreturn]] void fail(const SocketAddress& address, const char* call, int code) {
    const char* network = address.family() == AF_UNIX ? "unix" : "tcp";
    std::string what = fmt::format("listen {} {}: {}", network, address.text(), call);
    // In use is what people meet; the kind is conflict, as for every name that is taken.
    if (code == EADDRINUSE)
        throw Error(ErrorKind::conflict, what + ": address already in use (another process listens there)",
                    code);
    throw errno_error(code, what);
}

bool somebody_answers(const SocketAddress& address) {
    UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    // EAGAIN: the backlog is full, so there is one.
    return ::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN;
}

UniqueFd bind_one(const SocketAddress& address) {
    UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) fail(address, "socket", errno);
    int on = 1;
    if (address.family() != AF_UNIX) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), address.get(), address.size) != 0) {
        int code = errno;
        if (code != EADDRINUSE || address.family() != AF_UNIX || somebody_answers(address))
            fail(address, "bind", code);
        ::unlink(address.text().c_str());
        if (::bind(fd.get(), address.get(), address.size) != 0) fail(address, "bind", errno);
    }
    // Nobody can connect before listen(2), so the mode holds from the first connection on.
    if (address.family() == AF_UNIX) ::chmod(address.text().c_str(), 0660);
    if (::listen(fd.get(), SOMAXCONN) != 0) fail(address, "listen", errno);
    return fd;
}

UniqueFd bind_and_listen(const Address& address) {
    if (address.kind == Address::Kind::unix_socket) return bind_one(SocketAddress::of_path(address.host));
    std::vector<SocketAddress> found = look_up(address.host, address.port, true);
    if (found.empty()) throw make_error(ErrorKind::unavailable, "listen {}: no address", address.text());
    // "Any address" is both families: IPv6 first, which takes IPv4 as well where the system allows it.
    for (const SocketAddress& each : found) {
        if (!address.host.empty() || each.family() != AF_INET6) continue;
        try {
            return bind_one(each);
        } catch (const Error& error) {
            if (error.code() != EAFNOSUPPORT && error.code() != EADDRNOTAVAIL) throw;
        }
    }
    return bind_one(found.front());
}

}  // namespace

Listener::Listener(Context& context, const Address& address) {
    UniqueFd fd = bind_and_listen(address);
    int number = fd.get();
    state_ = std::make_shared<State>(context, std::move(fd));
    state_->address = address;
    if (address.kind == Address::Kind::tcp) {
        state_->address.port = SocketAddress::of_socket(number).port();
        return;
    }
    struct stat made{};
    if (::stat(address.host.c_str(), &made) != 0) return;
    state_->made_path = address.host;
    state_->made_inode = made.st_ino;
}

Listener::Listener(Context& context, UniqueFd socket) {
    SocketAddress bound = SocketAddress::of_socket(socket.get());
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    state_ = std::make_shared<State>(context, std::move(socket));
    bool local = bound.family() == AF_UNIX;
    state_->address = Address::parse(local ? "unix://" + bound.text() : "tcp://" + bound.text());
}

Listener::~Listener() {
    close();
}

const Address& Listener::address() const {
    return state_->address;
}

void Listener::close() {
    if (state_->closed) return;
    state_->closed = true;
    state_->socket.close();
    struct stat present{};
    // Not where somebody else's socket has taken its place.
    if (!state_->made_path.empty() && ::stat(state_->made_path.c_str(), &present) == 0 &&
        present.st_ino == state_->made_inode)
        ::unlink(state_->made_path.c_str());
}

/// Nothing where the event loop can take no more (ENOMEM, ENOSPC of epoll): that ends one connection, not
/// all.
std::unique_ptr<Stream> Listener::try_make_stream(State& state, UniqueFd fd) {
    try {
        return make_stream(state.socket.executor(), std::move(fd));
    } catch (const std::exception& error) {
        log::error("accept on {}: {}; the connection is closed", state.address.text(), error.what());
        return nullptr;
    }
}

Task<std::unique_ptr<Stream>> Listener::accept() {
    constexpr std::chrono::milliseconds kShortest(50), kLongest(1000);
    std::shared_ptr<State> state = state_;
    auto pause = kShortest;
    while (true) {
        state->socket.check_open(Direction::read);
        UniqueFd fd(::accept4(state->socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            std::unique_ptr<Stream> stream = try_make_stream(*state, std::move(fd));
            if (stream) co_return stream;
            continue;
        }
        switch (int code = errno) {
            case EAGAIN: co_await state->socket.wait(Direction::read); break;
            case EMFILE:
            case ENFILE:
            case ENOBUFS:
            case ENOMEM:
                // The connection stays in the backlog and would make the socket readable at once.
                if (pause == kShortest)
                    log::error("accept on {}: {}; new connections wait", state->address.text(),
                               errno_text(code));
                co_await sleep_for(pause);
                pause = std::min(pause * 2, kLongest);
                break;
            case EBADF:
            case EINVAL:
            case ENOTSOCK:
            case EOPNOTSUPP: throw state->socket.failure(Direction::read, code);
            default: break;  // the connection failed before it was taken; accept(2) asks for the next
        }
    }
}

}  // namespace berth::async

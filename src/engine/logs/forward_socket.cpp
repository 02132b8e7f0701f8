// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/forward_socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "async/socket_address.h"
#include "http/tls.h"
#include "sys/byte_stream.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

Error unreachable(int code, const std::string& name) {
    return Error(ErrorKind::unavailable, name + ": " + errno_text(code), code);
}

UniqueFd connect_datagram(const LogAddress& address) {
    std::vector<async::SocketAddress> found;
    if (address.scheme == "udp")
        found = async::look_up(address.host, address.port, false);
    else
        found.push_back(async::SocketAddress::of_path(address.path));
    int code = ENOENT;
    for (const async::SocketAddress& each : found) {
        UniqueFd socket(::socket(each.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (socket && ::connect(socket.get(), each.get(), each.size) == 0) return socket;
        code = errno;
    }
    throw unreachable(
        code, "dial " + address.scheme + " " + (address.path.empty() ? found.front().text() : address.path));
}

}  // namespace

async::Task<void> DatagramSocket::connect(LogAddress address) {
    name_ = "write " + address.scheme + " " + (address.path.empty() ? address.host : address.path);
    auto work = [address] { return std::make_shared<UniqueFd>(connect_datagram(address)); };
    std::shared_ptr<UniqueFd> socket = co_await async::run_blocking(work);
    socket_ = std::move(*socket);
}

async::Task<bool> DatagramSocket::send(std::string_view data) {
    while (true) {
        ssize_t sent = ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
        if (sent >= 0) co_return true;
        int code = errno;
        if (code == EINTR) continue;
        if (code == EMSGSIZE) co_return false;
        if (code == EAGAIN || code == ENOBUFS) {
            // The receiver's queue is full.
            co_await async::sleep_for(std::chrono::milliseconds(5));
            continue;
        }
        socket_.reset();
        throw unreachable(code, name_);
    }
}

async::Task<void> EndpointStream::connect(LogAddress address, http::TlsClientOptions tls) {
    if (stream_) {
        char byte = 0;
        ssize_t got = ::recv(stream_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        int code = errno;
        if (got > 0 || (got < 0 && code == EAGAIN)) co_return;
        // Closed in peace, with nothing on the way: a new one will do. Else something may have been lost.
        bool peace = got == 0 && delivered();
        std::string peer = stream_ ? stream_->peer() : address.host;
        stream_.reset();
        if (!peace) throw unreachable(got == 0 ? EPIPE : code, "write to " + peer);
    }
    async::Address where;
    where.kind = address.path.empty() ? async::Address::Kind::tcp : async::Address::Kind::unix_socket;
    where.host = address.path.empty() ? address.host : address.path;
    where.port = address.port;
    std::unique_ptr<async::Stream> stream = co_await async::connect(where);
    if (address.scheme == "tcp+tls" || address.scheme == "tls") {
        std::shared_ptr<http::TlsContext> context = http::tls_client_context(tls);
        stream = co_await http::tls_connect(std::move(context), std::move(stream), address.host);
    }
    stream->set_idle_timeout(std::chrono::seconds(30));
    stream_ = std::move(stream);
}

async::Task<void> EndpointStream::send(std::string_view data) {
    std::exception_ptr failure;
    try {
        co_await stream_->write(sys::bytes_of(data));
        co_return;
    } catch (...) {
        failure = std::current_exception();
    }
    stream_.reset();
    std::rethrow_exception(failure);
}

async::Task<size_t> EndpointStream::read(std::string& into) {
    std::array<std::byte, 1024> buffer;
    size_t got = co_await stream_->read_some(buffer);
    into.append(reinterpret_cast<const char*>(buffer.data()), got);
    if (got == 0) {
        stream_.reset();
        throw Error(ErrorKind::unavailable, "the endpoint closed the connection");
    }
    co_return got;
}

bool EndpointStream::delivered() {
    if (!stream_) return false;
    int queued = 0;
    if (::ioctl(stream_->fd(), SIOCOUTQ, &queued) < 0) return false;
    // A reset empties the queue as well. The order matters: it may come between the two.
    char byte = 0;
    if (::recv(stream_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno != EAGAIN) {
        stream_.reset();
        return false;
    }
    return queued == 0;
}

}  // namespace berth::engine

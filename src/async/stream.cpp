// SPDX-License-Identifier: Apache-2.0
#include "async/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <vector>

#include "async/loop.h"
#include "async/socket.h"

namespace berth::async {

namespace {

/// How much of a file goes to the kernel at once: what reads from a disk holds up the loop for that long.
constexpr uint64_t kFilePiece = 1024 * 1024;

class PlainStream : public Stream {
  public:
    PlainStream(const boost::asio::any_io_executor& executor, UniqueFd fd, std::string peer)
        : socket_(executor, std::move(fd), std::move(peer)) {}

    Task<size_t> read_some(std::span<std::byte> into) override {
        // Before the transfer: what was received is given to the caller even where it is being cancelled.
        if (socket_.must_yield()) co_await socket_.yield();
        while (true) {
            socket_.check_open(Direction::read);
            ssize_t count = ::recv(socket_.fd(), into.data(), into.size(), 0);
            if (count >= 0) co_return static_cast<size_t>(count);
            if (errno == EAGAIN)
                co_await socket_.wait(Direction::read);
            else if (errno != EINTR)
                throw socket_.failure(Direction::read, errno);
        }
    }

    Task<void> wait_readable() override {
        std::byte byte;
        while (true) {
            socket_.check_open(Direction::read);
            ssize_t count = ::recv(socket_.fd(), &byte, 1, MSG_PEEK);
            if (count >= 0 || (errno != EAGAIN && errno != EINTR)) co_return;
            co_await socket_.wait_idle();
        }
    }

    Task<void> write(std::span<const std::byte> data) override {
        while (!data.empty()) {
            socket_.check_open(Direction::write);
            ssize_t count = ::send(socket_.fd(), data.data(), data.size(), MSG_NOSIGNAL);
            int code = errno;
            bool yields = socket_.must_yield();
            if (count > 0) data = data.subspan(static_cast<size_t>(count));
            if (count < 0 || (yields && !data.empty())) co_await pause(count, code);
        }
    }

    Task<void> write_pieces(std::span<const std::span<const std::byte>> pieces) override {
        std::vector<iovec> rest;
        for (auto piece : pieces)
            if (!piece.empty()) rest.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
        size_t first = 0;
        while (first < rest.size()) {
            socket_.check_open(Direction::write);
            msghdr message{};
            message.msg_iov = &rest[first];
            message.msg_iovlen = std::min<size_t>(rest.size() - first, IOV_MAX);
            ssize_t count = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL);
            int code = errno;
            bool yields = socket_.must_yield();
            for (auto sent = static_cast<size_t>(std::max<ssize_t>(count, 0)); first < rest.size();) {
                size_t part = std::min(sent, rest[first].iov_len);
                rest[first].iov_base = static_cast<char*>(rest[first].iov_base) + part;
                rest[first].iov_len -= part;
                sent -= part;
                if (rest[first].iov_len > 0) break;
                ++first;
            }
            if (count < 0 || (yields && first < rest.size())) co_await pause(count, code);
        }
    }

    Task<void> send_file(int fd, uint64_t offset, uint64_t length) override {
        auto position = static_cast<off_t>(offset);
        while (length > 0) {
            socket_.check_open(Direction::write);
            ssize_t count = ::sendfile(socket_.fd(), fd, &position, std::min(length, kFilePiece));
            if (count == 0) throw Error(ErrorKind::internal, "send a file: it is shorter than it was");
            if (count < 0 && (errno == EINVAL || errno == ENOSYS)) {
                Task<void> copied = copy_file(*this, fd, static_cast<uint64_t>(position), length);
                co_await std::move(copied);
                co_return;
            }
            int code = errno;
            bool yields = socket_.must_yield();
            if (count > 0) length -= static_cast<uint64_t>(count);
            if (count < 0 || (yields && length > 0)) co_await pause(count, code);
        }
    }

    Task<void> shutdown_write() override {
        socket_.check_open(Direction::write);
        ::shutdown(socket_.fd(), SHUT_WR);
        co_return;
    }

    void close() override { socket_.close(); }
    void set_idle_timeout(std::chrono::milliseconds limit) override { socket_.set_idle_timeout(limit); }
    void set_read_deadline(std::optional<Socket::Clock::time_point> end) override {
        socket_.set_read_deadline(end);
    }
    int fd() const override { return socket_.fd(); }
    Socket* socket() override { return &socket_; }
    std::optional<PlainSocket> release_fd() override { return PlainSocket{socket_.release(), {}}; }
    void move_to(Context& context) override { socket_.move_to(context.impl().io.get_executor()); }
    std::string peer() const override { return socket_.peer(); }

  private:
    /// After a write that gave `count`: yields, waits or throws. Not after the last one: whoever wrote is
    /// done at once.
    Task<void> pause(ssize_t count, int code) {
        if (count >= 0)
            co_await socket_.yield();
        else if (code == EAGAIN)
            co_await socket_.wait(Direction::write);
        else if (code != EINTR)
            throw socket_.failure(Direction::write, code);
    }

    Socket socket_;
};

class PrefixedStream : public Stream {
  public:
    PrefixedStream(std::string before, std::unique_ptr<Stream> stream)
        : before_(std::move(before)), stream_(std::move(stream)) {}

    Task<size_t> read_some(std::span<std::byte> into) override {
        if (before_.empty()) {
            size_t count = co_await stream_->read_some(into);
            co_return count;
        }
        size_t count = std::min(into.size(), before_.size() - taken_);
        std::copy_n(reinterpret_cast<const std::byte*>(before_.data()) + taken_, count, into.data());
        taken_ += count;
        if (taken_ == before_.size()) {
            before_ = {};
            taken_ = 0;
        }
        co_return count;
    }
    Task<void> wait_readable() override {
        if (before_.empty()) co_await stream_->wait_readable();
    }
    Task<void> write(std::span<const std::byte> data) override { return stream_->write(data); }
    Task<void> write_pieces(std::span<const std::span<const std::byte>> pieces) override {
        return stream_->write_pieces(pieces);
    }
    Task<void> send_file(int fd, uint64_t offset, uint64_t length) override {
        return stream_->send_file(fd, offset, length);
    }
    Task<void> shutdown_write() override { return stream_->shutdown_write(); }
    void close() override { stream_->close(); }
    void set_idle_timeout(std::chrono::milliseconds limit) override { stream_->set_idle_timeout(limit); }
    void set_read_deadline(std::optional<Socket::Clock::time_point> end) override {
        stream_->set_read_deadline(end);
    }
    int fd() const override { return stream_->fd(); }
    std::optional<PlainSocket> release_fd() override {
        std::optional<PlainSocket> plain = stream_->release_fd();
        if (plain) plain->before.insert(0, std::exchange(before_, {}), taken_);
        return plain;
    }
    void move_to(Context& context) override { stream_->move_to(context); }
    std::string peer() const override { return stream_->peer(); }

  private:
    std::string before_;
    size_t taken_ = 0;
    std::unique_ptr<Stream> stream_;
};

}  // namespace

Task<void> copy_file(Stream& to, int fd, uint64_t offset, uint64_t length) {
    constexpr uint64_t kPiece = 128 * 1024;
    std::vector<std::byte> buffer(static_cast<size_t>(std::min(length, kPiece)));
    while (length > 0) {
        size_t wanted = static_cast<size_t>(std::min<uint64_t>(length, buffer.size()));
        ssize_t count = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw errno_error(errno, "read a file to send");
        if (count == 0) throw Error(ErrorKind::internal, "send a file: it is shorter than it was");
        std::span<const std::byte> piece(buffer.data(), static_cast<size_t>(count));
        co_await to.write(piece);
        offset += piece.size();
        length -= piece.size();
    }
}

std::unique_ptr<Stream> with_prefix(std::string before, std::unique_ptr<Stream> stream) {
    if (before.empty()) return stream;
    return std::make_unique<PrefixedStream>(std::move(before), std::move(stream));
}

std::unique_ptr<Stream> make_stream(const boost::asio::any_io_executor& executor, UniqueFd fd) {
    std::string peer = peer_name(fd.get());
    int on = 1;
    // A unix socket has no such option, and needs none.
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return std::make_unique<PlainStream>(executor, std::move(fd), std::move(peer));
}

}  // namespace berth::async

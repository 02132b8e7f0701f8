// SPDX-License-Identifier: Apache-2.0
#include "shim/proxy_tcp.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "sys/file.h"

namespace berth::shim {

namespace {

constexpr size_t kChunk = size_t{64} * 1024;
constexpr size_t kBufferSize = size_t{16} * 1024;
constexpr size_t kIdlePipes = 4;
constexpr int kChunksInARow = 8;  // so that one fast connection doesn't hold up the others
constexpr int kAcceptsInARow = 64;
constexpr int kMaxBacklog = 4096;  // net.core.somaxconn
constexpr int64_t kAcceptPauseMs = 100;

bool is_exhausted(int code) {
    return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

void set_option(int fd, int level, int option, int value) {
    // A socket that lacks an option works without it.
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

/// The proxy must find out that a peer is gone for good, or its descriptors would stay.
void set_options(int fd) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 120);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

/// Closes with RST.
void reset_socket(UniqueFd& fd) {
    linger now{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd.reset();
}

}  // namespace

Pipe PipePool::take() noexcept {
    if (!idle_.empty()) {
        Pipe pipe = std::move(idle_.back());
        idle_.pop_back();
        return pipe;
    }
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return {};
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void PipePool::give_back(Pipe pipe) noexcept {
    idle_.reserve(kIdlePipes);
    if (idle_.size() < kIdlePipes) idle_.push_back(std::move(pipe));
}

/// Side 0 is the client, side 1 the target; flow i goes from side i to the other one.
class TcpConnection {
  public:
    TcpConnection(TcpForwarder& owner, UniqueFd client, UniqueFd target, bool connecting)
        : owner_(owner), connecting_(connecting) {
        sides_[0] = Side(*this, 0, std::move(client));
        sides_[1] = Side(*this, 1, std::move(target));
    }

    /// False: the kernel can't watch it.
    bool begin() { return update(); }
    void reset() noexcept;

    TcpConnection* previous = nullptr;
    TcpConnection* next = nullptr;

  private:
    enum class Step { moved, blocked, failed };

    struct Side final : Watcher {
        Side() = default;
        Side(TcpConnection& its, int its_index, UniqueFd socket)
            : connection(&its), index(its_index), fd(std::move(socket)) {}
        void ready(uint32_t what) override { connection->ready(index, what); }

        TcpConnection* connection = nullptr;
        int index = 0;
        UniqueFd fd;
        uint32_t events = 0;
        bool watched = false;
    };

    struct Flow {
        Pipe pipe;                       ///< only while bytes are in it
        std::unique_ptr<char[]> buffer;  ///< in place of the pipe when there was none
        size_t offset = 0;               ///< of the first byte in `buffer`
        size_t held = 0;                 ///< bytes in the pipe or the buffer
        bool ended = false;              ///< the sender sent FIN
        bool closed = false;             ///< and so did we, to the receiver
    };

    void ready(int index, uint32_t events);
    bool finish_connect();
    bool pump(int index);
    Step fill(int index);
    Step drain(int index);
    bool update();
    bool watch(Side& side, uint32_t events, bool needed);
    void retire() noexcept;

    TcpForwarder& owner_;
    std::array<Side, 2> sides_;
    std::array<Flow, 2> flows_;
    bool connecting_;
    bool over_ = false;
};

void TcpConnection::retire() noexcept {
    over_ = true;
    for (Side& side : sides_) side.fd.reset();
    for (Flow& flow : flows_) flow = Flow{};
    owner_.unlink(*this);
}

void TcpConnection::reset() noexcept {
    for (Side& side : sides_) reset_socket(side.fd);
    retire();
}

bool TcpConnection::finish_connect() {
    int code = 0;
    socklen_t length = sizeof code;
    if (::getsockopt(sides_[1].fd.get(), SOL_SOCKET, SO_ERROR, &code, &length) < 0 || code != 0) return false;
    connecting_ = false;
    return true;
}

void TcpConnection::ready(int index, uint32_t events) {
    if (over_) return;
    owner_.loop_.touch(owner_);
    if (connecting_ && index == 1 && !finish_connect()) return reset();
    // A hang-up is the regular end where both sides sent FIN; before that, somebody sent RST.
    bool broken = (events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !flows_[1 - index].closed);
    // What was received before a RST is still passed on.
    if (!connecting_ && (!pump(index) || !pump(1 - index))) broken = true;
    if (broken) return reset();
    if (flows_[0].closed && flows_[1].closed) return retire();
    if (!update()) reset();
}

/// Moves what can be moved of a flow. False: one of its ends is broken.
bool TcpConnection::pump(int index) {
    Flow& flow = flows_[index];
    for (int chunk = 0; chunk < kChunksInARow && !flow.closed; ++chunk) {
        if (flow.held == 0 && !flow.ended) {
            Step step = fill(index);
            if (step == Step::failed) return false;
            if (step == Step::blocked) return true;
        }
        while (flow.held > 0) {
            Step step = drain(index);
            if (step == Step::failed) return false;
            if (step == Step::blocked) return true;
        }
        if (flow.ended) {
            if (::shutdown(sides_[1 - index].fd.get(), SHUT_WR) < 0) return false;
            flow.closed = true;
        }
    }
    return true;
}

/// Takes bytes from the sender, into a pipe if there is one.
TcpConnection::Step TcpConnection::fill(int index) {
    Flow& flow = flows_[index];
    int fd = sides_[index].fd.get();
    ssize_t got = 0;
    Pipe pipe = owner_.pipes_.take();
    if (pipe) {
        got = sys::retry([&] {
            return ::splice(fd, nullptr, pipe.write.get(), nullptr, kChunk,
                            SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        });
        int code = errno;
        if (got > 0)
            flow.pipe = std::move(pipe);
        else
            owner_.pipes_.give_back(std::move(pipe));
        errno = code;
    } else {
        if (!flow.buffer) flow.buffer = std::make_unique_for_overwrite<char[]>(kBufferSize);
        got = sys::retry([&] { return ::recv(fd, flow.buffer.get(), kBufferSize, MSG_DONTWAIT); });
        int code = errno;
        if (got <= 0) flow.buffer.reset();
        flow.offset = 0;
        errno = code;
    }
    if (got < 0) return errno == EAGAIN ? Step::blocked : Step::failed;
    if (got == 0) flow.ended = true;
    flow.held = static_cast<size_t>(got);
    return Step::moved;
}

/// Hands held bytes to the receiver; gives the pipe back when it is empty.
TcpConnection::Step TcpConnection::drain(int index) {
    Flow& flow = flows_[index];
    int fd = sides_[1 - index].fd.get();
    ssize_t put = sys::retry([&] {
        if (flow.pipe)
            return ::splice(flow.pipe.read.get(), nullptr, fd, nullptr, flow.held,
                            SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        return ::send(fd, flow.buffer.get() + flow.offset, flow.held, MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (put < 0) return errno == EAGAIN ? Step::blocked : Step::failed;
    flow.held -= static_cast<size_t>(put);
    flow.offset += static_cast<size_t>(put);
    if (flow.held > 0) return Step::moved;
    if (flow.pipe) owner_.pipes_.give_back(std::exchange(flow.pipe, Pipe{}));
    flow.buffer.reset();
    return Step::moved;
}

/// Registers what each side is waited for. False: the kernel has no memory for it.
bool TcpConnection::update() {
    for (int index = 0; index < 2; ++index) {
        const Flow& from = flows_[index];
        const Flow& to = flows_[1 - index];
        uint32_t events = 0;
        if (!connecting_ && !from.ended && from.held == 0) events |= EPOLLIN;
        if (to.held > 0 || (connecting_ && index == 1)) events |= EPOLLOUT;
        // After both FINs epoll would report a hang-up without end, though nothing is wanted of this side
        // now.
        if (!watch(sides_[index], events, events != 0 || !to.closed)) return false;
    }
    return true;
}

bool TcpConnection::watch(Side& side, uint32_t events, bool needed) {
    ProxyLoop& loop = owner_.loop_;
    if (!needed) {
        if (std::exchange(side.watched, false)) loop.forget(side.fd.get());
        return true;
    }
    if (side.watched) {
        if (side.events != events) loop.change(side.fd.get(), events, side);
    } else if (!loop.watch(side.fd.get(), events, side)) {
        return false;
    }
    side.watched = true;
    side.events = events;
    return true;
}

TcpForwarder::TcpForwarder(ProxyLoop& loop, UniqueFd listener, const SocketAddress& target)
    : loop_(loop), listener_(std::move(listener)), target_(target) {
    if (!loop_.watch(listener_.get(), EPOLLIN, *this)) throw errno_error(errno, "epoll_ctl");
}

TcpForwarder::~TcpForwarder() {
    while (connections_ != nullptr) connections_->reset();
    end_of_round();
}

void TcpForwarder::ready(uint32_t) {
    loop_.touch(*this);
    for (int i = 0; i < kAcceptsInARow && listener_ && resume_ms_ < 0; ++i)
        if (!accept_one()) return;
}

bool TcpForwarder::accept_one() {
    if (!spare_) {
        spare_.reset(::socket(target_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
        if (!spare_) return pause(), false;
    }
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
        if (is_exhausted(errno)) pause();
        // Other errors are those of one connection (accept(2)): the next one may be fine.
        return errno != EAGAIN && !is_exhausted(errno) && errno != EINVAL && errno != EBADF;
    }
    UniqueFd target = std::move(spare_);
    set_options(client.get());
    set_options(target.get());
    bool connecting = false;
    if (::connect(target.get(), target_.get(), target_.length) < 0) {
        if (errno != EINPROGRESS) return reset_socket(client), true;
        connecting = true;
    }
    auto* connection = new TcpConnection(*this, std::move(client), std::move(target), connecting);
    connection->next = connections_;
    if (connections_ != nullptr) connections_->previous = connection;
    connections_ = connection;
    if (!connection->begin()) {
        connection->reset();
        pause();
    }
    return true;
}

void TcpForwarder::pause() noexcept {
    loop_.forget(listener_.get());
    resume_ms_ = loop_.now_ms() + kAcceptPauseMs;
}

void TcpForwarder::tick() {
    if (resume_ms_ < 0 || loop_.now_ms() < resume_ms_) return;
    resume_ms_ = -1;
    if (listener_ && !loop_.watch(listener_.get(), EPOLLIN, *this))
        resume_ms_ = loop_.now_ms() + kAcceptPauseMs;
}

void TcpForwarder::retarget(const SocketAddress& target) {
    target_ = target;
    spare_.reset();
}

void TcpForwarder::stop() {
    if (!listener_) return;
    for (int i = 0; i < kMaxBacklog && resume_ms_ < 0 && accept_one(); ++i) {
    }
    if (resume_ms_ < 0) loop_.forget(listener_.get());
    listener_.reset();
    spare_.reset();
    resume_ms_ = -1;
}

void TcpForwarder::unlink(TcpConnection& connection) noexcept {
    if (connection.next != nullptr) connection.next->previous = connection.previous;
    (connection.previous != nullptr ? connection.previous->next : connections_) = connection.next;
    connection.previous = nullptr;
    connection.next = std::exchange(dead_, &connection);
}

void TcpForwarder::end_of_round() noexcept {
    while (dead_ != nullptr) {
        TcpConnection* connection = dead_;
        dead_ = connection->next;
        delete connection;
    }
}

}  // namespace berth::shim

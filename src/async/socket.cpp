// SPDX-License-Identifier: Apache-2.0
#include "async/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/loop.h"

namespace berth::async {

namespace asio = boost::asio;

struct Socket::State : std::enable_shared_from_this<Socket::State> {
    State(const asio::any_io_executor& executor, UniqueFd fd, std::string peer_text)
        : descriptor(executor, fd.release()), timer(executor), peer(std::move(peer_text)) {}

    struct Side {
        bool waiting = false;
        bool timed_out = false;
        bool idle = false;            ///< nobody expects a byte: the idle time-out doesn't count
        Clock::time_point since;      ///< the wait's begin, or when bytes were last known to have moved
        uint64_t transfers_then = 0;  ///< of State::transfers
        Clock::time_point expiry;
    };

    Side& side(Direction direction) { return sides[direction == Direction::read ? 0 : 1]; }
    const Side& side(Direction direction) const { return sides[direction == Direction::read ? 0 : 1]; }

    /// When a wait in `direction` has taken too long, as it looks now.
    Clock::time_point expiry_of(Direction direction) const {
        constexpr Clock::time_point kNever = Clock::time_point::max();
        Clock::time_point end = kNever;
        if (idle_limit.count() > 0 && !side(direction).idle) end = side(direction).since + idle_limit;
        if (direction == Direction::read && read_deadline) end = std::min(end, *read_deadline);
        return end;
    }

    /// Sees to it that the timer runs out no later than the first of the waits.
    void arm() {
        Clock::time_point first = Clock::time_point::max();
        for (const Side& each : sides)
            if (each.waiting) first = std::min(first, each.expiry);
        if (first >= armed_until) return;
        armed_until = first;
        timer.expires_at(first);
        timer.async_wait([weak = weak_from_this(), first](boost::system::error_code) {
            auto state = weak.lock();
            // A timer that was set anew meanwhile speaks for itself.
            if (state && state->armed_until == first) state->on_timer();
        });
    }

    void on_timer() {
        armed_until = Clock::time_point::max();
        bool any = false;
        for (Direction direction : {Direction::read, Direction::write}) {
            Side& each = side(direction);
            // Bytes that moved the other way are told by their count, so that a transfer needs no clock.
            if (each.transfers_then != transfers) each.since = Clock::now();
            each.transfers_then = transfers;
            each.expiry = expiry_of(direction);
            if (!each.waiting || each.expiry > Clock::now()) continue;
            each.timed_out = any = true;
        }
        boost::system::error_code ignored;
        // Wakes both directions; the one that has time left waits again.
        if (any) descriptor.cancel(ignored);
        arm();
    }

    asio::posix::stream_descriptor descriptor;
    asio::steady_timer timer;
    Clock::time_point armed_until = Clock::time_point::max();
    std::array<Side, 2> sides;
    std::chrono::milliseconds idle_limit{0};
    std::optional<Clock::time_point> read_deadline;
    std::string peer;
    uint64_t transfers = 0;
    bool closed = false;
};

Socket::Socket(const asio::any_io_executor& executor, UniqueFd fd, std::string peer)
    : state_(std::make_shared<State>(executor, std::move(fd), std::move(peer))) {}

Socket::~Socket() {
    close();
}

int Socket::fd() const {
    return state_->descriptor.native_handle();
}
const std::string& Socket::peer() const {
    return state_->peer;
}
asio::any_io_executor Socket::executor() const {
    return state_->descriptor.get_executor();
}

void Socket::close() {
    if (state_->closed) return;
    state_->closed = true;
    boost::system::error_code ignored;
    state_->descriptor.close(ignored);
    state_->timer.cancel();
}

void Socket::check_open(Direction direction) const {
    if (state_->closed) throw failure(direction, EBADF);
}

Task<void> Socket::wait(Direction direction) {
    return wait_for(direction, false);
}

Task<void> Socket::wait_idle() {
    return wait_for(Direction::read, true);
}

Task<void> Socket::wait_for(Direction direction, bool idle) {
    // The socket may be destroyed while the kernel is waited for, by whoever closes it.
    std::shared_ptr<State> state = state_;
    check_open(direction);
    State::Side& side = state->side(direction);
    side.waiting = true;
    side.timed_out = false;
    side.idle = idle;
    side.since = Clock::now();
    side.transfers_then = state->transfers;
    side.expiry = state->expiry_of(direction);
    state->arm();
    auto what = direction == Direction::read ? asio::posix::stream_descriptor::wait_read
                                             : asio::posix::stream_descriptor::wait_write;
    boost::system::error_code ignored;
    co_await state->descriptor.async_wait(what, asio::redirect_error(asio::use_awaitable, ignored));
    side.waiting = false;
    const char* verb = direction == Direction::read ? "read from" : "write to";
    if (state->closed)
        throw make_error(ErrorKind::unavailable, "{} {}: use of closed connection", verb, state->peer);
    if (!side.timed_out) co_return;
    bool by_idling = !idle && state->idle_limit.count() > 0 && side.expiry != state->read_deadline;
    throw Error(ErrorKind::unavailable,
                by_idling ? fmt::format("{} {}: timed out after {}", verb, state->peer,
                                        duration_text(state->idle_limit))
                          : fmt::format("{} {}: timed out", verb, state->peer),
                ETIMEDOUT);
}

bool Socket::must_yield() {
    constexpr unsigned kTransfersInARow = 16;
    return ++state_->transfers % kTransfersInARow == 0;
}

Task<void> Socket::yield() {
    asio::any_io_executor loop = executor();
    co_await asio::post(loop, asio::use_awaitable);
}

void Socket::set_idle_timeout(std::chrono::milliseconds limit) {
    state_->idle_limit = limit;
}

void Socket::set_read_deadline(std::optional<Clock::time_point> end) {
    state_->read_deadline = end;
    State::Side& side = state_->side(Direction::read);
    if (!side.waiting) return;
    side.expiry = state_->expiry_of(Direction::read);
    state_->arm();
}

UniqueFd Socket::release() {
    check_open(Direction::read);
    state_->closed = true;
    state_->timer.cancel();
    return UniqueFd(state_->descriptor.release());
}

void Socket::move_to(const boost::asio::any_io_executor& executor) {
    check_open(Direction::read);
    auto moved = std::make_shared<State>(executor, UniqueFd(state_->descriptor.release()), state_->peer);
    moved->idle_limit = state_->idle_limit;
    moved->read_deadline = state_->read_deadline;
    moved->transfers = state_->transfers;
    state_ = std::move(moved);
}

Error Socket::failure(Direction direction, int code) const {
    const char* verb = direction == Direction::read ? "read from" : "write to";
    std::string why = state_->closed ? "use of closed connection" : errno_text(code);
    return Error(ErrorKind::unavailable, fmt::format("{} {}: {}", verb, state_->peer, why), code);
}

std::string peer_name(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
        ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        return fmt::format("{}:{}", text, ntohs(v4->sin_port));
    }
    if (address.ss_family == AF_INET6) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
    }
    return "unix";
}

}  // namespace berth::async

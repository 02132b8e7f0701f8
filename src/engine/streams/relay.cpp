// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/relay.h"

#include <sys/socket.h>

#include <array>
#include <vector>

#include "base/error.h"
#include "engine/streams/detach_keys.h"

namespace berth::engine {

namespace {

constexpr size_t kPiece = 32 * 1024;
/// How long a client may take to close its side after ours was.
constexpr std::chrono::seconds kLinger(2);

/// What ended the copying.
enum class End {
    stdin_only,  ///< the client sends no more; output goes on
    shim,        ///< the shim takes no more input, or gave all output
    session,     ///< the client is gone, or detached
};

class Relay {
  public:
    explicit Relay(RelayPlan plan) : plan_(std::move(plan)) {}
    async::Task<void> run();

  private:
    async::Task<void> copy_input();
    async::Task<void> copy_output();
    async::Task<void> until_shim_closed();
    async::Task<size_t> read_client(std::span<std::byte> into);
    void end_shared_socket();
    async::Task<void> end_own_stream();

    RelayPlan plan_;
    End end_ = End::session;
};

async::Task<size_t> Relay::read_client(std::span<std::byte> into) {
    size_t count = 0;
    try {
        count = co_await plan_.client->read_some(into);
    } catch (const Error&) {
        // Reset: the same end.
    }
    co_return count;
}

async::Task<void> Relay::copy_input() {
    std::optional<DetachScanner> scanner;
    if (plan_.detach_keys) scanner.emplace(*plan_.detach_keys);
    bool shim_reads = true, detach = false;
    while (!detach) {
        co_await plan_.client->wait_readable();
        // Held only while there is something to copy.
        auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPiece);
        size_t count = co_await read_client({buffer.get(), kPiece});
        if (count == 0) break;
        std::span<const std::byte> data(buffer.get(), count);
        std::string passed;
        if (scanner) {
            detach = scanner->scan({reinterpret_cast<const char*>(data.data()), data.size()}, passed);
            data = std::as_bytes(std::span(passed));
        }
        try {
            if (shim_reads && plan_.input && !data.empty()) co_await plan_.shim->write(data);
        } catch (const Error&) {
            shim_reads = false;  // stdin is gone; the client may not know yet
        }
    }
    if (detach && plan_.detached) plan_.detached();
    if (detach || !plan_.half_close) co_return;
    end_ = End::stdin_only;
    if (shim_reads && plan_.input) co_await plan_.shim->shutdown_write();
    // Whoever copies the output says when it is over.
    while (plan_.output) co_await async::sleep_for(std::chrono::hours(1));
}

async::Task<void> Relay::copy_output() {
    if (plan_.write_output) {
        co_await plan_.write_output(*plan_.client);
        end_ = End::shim;
        co_return;
    }
    while (true) {
        co_await plan_.shim->wait_readable();
        auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPiece);
        std::span<std::byte> room(buffer.get(), kPiece);
        size_t count = kPiece;
        while (count == kPiece) {
            count = co_await plan_.shim->read_some(room);
            if (count > 0) co_await plan_.client->write(room.first(count));
        }
        if (count == 0) break;
    }
    end_ = End::shim;
}

/// It closes its end when stdin is gone; nothing else comes from there where only input is copied.
async::Task<void> Relay::until_shim_closed() {
    co_await plan_.shim->wait_readable();
    end_ = End::shim;
}

/// The shim has a descriptor of the client's socket too, which a shutdown(2) here reaches.
void Relay::end_shared_socket() {
    int fd = plan_.client->fd();
    if (fd < 0) return;
    if (end_ != End::stdin_only) {
        ::shutdown(fd, end_ == End::session ? SHUT_RDWR : SHUT_RD);
        // Closed over unread bytes, a unix socket would end its peer's reading with ECONNRESET.
        std::array<char, 4096> rest;
        while (::recv(fd, rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
        }
    }
    plan_.client->close();
}

async::Task<void> discard(async::Stream& stream) {
    auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPiece);
    std::span<std::byte> room(buffer.get(), kPiece);
    size_t count = 1;
    while (count > 0) count = co_await stream.read_some(room);
}

async::Task<void> Relay::end_own_stream() {
    if (plan_.shim) plan_.shim->close();
    try {
        co_await plan_.client->shutdown_write();
        co_await async::with_timeout(kLinger, "linger", discard(*plan_.client));
    } catch (const Error&) {
        // It is closed in any case.
    }
    plan_.client->close();
}

async::Task<void> Relay::run() {
    std::vector<async::Task<void>> sides;
    // Where there is no input, what comes is dropped, and the client's end may be noticed.
    sides.push_back(copy_input());
    sides.push_back(plan_.output ? copy_output() : until_shim_closed());
    try {
        co_await async::any_of(std::move(sides));
    } catch (const Error&) {
        end_ = End::session;  // the client is gone
    }
    if (plan_.output)
        co_await end_own_stream();
    else
        end_shared_socket();
}

}  // namespace

async::Task<void> relay(RelayPlan plan) {
    Relay relay(std::move(plan));
    co_await relay.run();
}

}  // namespace berth::engine

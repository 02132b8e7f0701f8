// SPDX-License-Identifier: Apache-2.0
#include "engine/streams/client_streams.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>

#include "async/descriptor.h"
#include "base/error.h"
#include "engine/streams/relay.h"

namespace berth::engine {

namespace {

constexpr std::chrono::seconds kTextTimeout(10);

/// Docker's header of a chunk of stdout.
std::string frame_of(const std::string& text) {
    std::string frame{'\1', '\0', '\0', '\0'};
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(text.size() >> shift);
    return frame + text;
}

}  // namespace

ClientStreams::ClientStreams(async::Context& control, async::Context& streams,
                             std::unique_ptr<async::Stream> client, StreamWishes wishes,
                             std::function<void()> detached)
    : control_(control), streams_(streams), wishes_(std::move(wishes)), detached_(std::move(detached)) {
    keep(std::move(client));
}

void ClientStreams::keep(std::unique_ptr<async::Stream> client) {
    if (std::optional<async::PlainSocket> plain = client->release_fd()) {
        socket_ = std::move(plain->fd);
        before_ = std::move(plain->before);
    } else {
        stream_ = std::move(client);
    }
}

ClientStreams::~ClientStreams() {
    close();
}

async::Task<void> ClientStreams::until_head_read() {
    for (int look = 0; socket_ && look < 100; ++look) {
        // What the peer of a unix socket has not read yet is still in our queue (net/unix/af_unix.c,
        // unix_outq_len).
        int unread = 0;
        if (::ioctl(socket_.get(), SIOCOUTQ, &unread) != 0 || unread == 0) co_return;
        co_await async::sleep_for(std::chrono::milliseconds(1));
    }
}

shim::Streams ClientStreams::offer() {
    bool output = wishes_.out || (wishes_.err && !wishes_.tty);
    bool shares_input = socket_ && before_.empty() && !wishes_.tty;
    if ((wishes_.in && !shares_input) || (output && !socket_)) make_pair();
    shim::Streams streams;
    streams.lossless = true;
    if (wishes_.in) {
        streams.in = shares_input ? socket_.get() : theirs_.get();
        streams.ends_with_stdin = !wishes_.half_close || wishes_.tty;
    }
    if (!output) return streams;
    int to = socket_ ? socket_.get() : theirs_.get();
    if (wishes_.framed) {
        streams.framed = true;
        streams.out = to;
        streams.skip_out = !wishes_.out;
        streams.skip_err = !wishes_.err;
    } else {
        if (wishes_.out) streams.out = to;
        if (wishes_.err && !wishes_.tty) streams.err = to;
    }
    return streams;
}

std::unique_ptr<async::Stream> ClientStreams::client_stream(async::Context& context) {
    if (socket_) return async::with_prefix(std::move(before_), async::adopt(context, std::move(socket_)));
    if (stream_ && &context != &control_) stream_->move_to(context);
    return std::move(stream_);
}

shim::Streams ClientStreams::offer_input() {
    shim::Streams streams;
    if (!wishes_.in) return streams;
    make_pair();
    streams.in = theirs_.get();
    return streams;
}

void ClientStreams::make_pair() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0)
        throw errno_error(errno, "socketpair");
    ours_.reset(pair[0]);
    theirs_.reset(pair[1]);
}

void ClientStreams::taken(OutputWriter write_output) {
    theirs_.reset();
    if (!ours_ && !write_output) {
        socket_.reset();
        return;
    }
    RelayPlan plan;
    plan.input = wishes_.in;
    plan.output = write_output || (!socket_ && (wishes_.out || wishes_.err));
    plan.write_output = std::move(write_output);
    plan.half_close = !wishes_.websocket && (!wishes_.in || (wishes_.half_close && !wishes_.tty));
    if (wishes_.tty) plan.detach_keys = wishes_.detach_keys;
    if (detached_)
        plan.detached = [&control = control_, detached = std::move(detached_)] { control.post(detached); };
    plan.client = client_stream(streams_);
    if (ours_) plan.shim = async::adopt(streams_, std::move(ours_));
    streams_.spawn("relay", relay(std::move(plan)));
}

async::Task<void> ClientStreams::write_first(OutputWriter work) {
    std::unique_ptr<async::Stream> client = client_stream(streams_);
    if (!client) co_return;
    auto write = [](async::Context& home, async::Stream& to, OutputWriter given) -> async::Task<void> {
        co_await given(to);
        to.move_to(home);
    };
    co_await async::run_on(streams_, write(control_, *client, std::move(work)));
    keep(std::move(client));
}

async::Task<void> ClientStreams::end_with(std::string text) {
    std::unique_ptr<async::Stream> client = client_stream(control_);
    if (!client) co_return;
    client->set_idle_timeout(kTextTimeout);
    if (wishes_.framed) text = frame_of(text);
    try {
        co_await client->write(std::as_bytes(std::span(text)));
        co_await client->shutdown_write();
        // Whoever still sends would else lose the text to a reset.
        std::array<std::byte, 4096> rest;
        size_t count = 1;
        while (count > 0) count = co_await client->read_some(rest);
    } catch (const Error&) {
        // The client is gone.
    }
}

async::Task<void> ClientStreams::until_client_gone() {
    if (!socket_) {
        while (true) co_await async::sleep_for(std::chrono::hours(1));
    }
    async::Descriptor watched(control_, socket_.duplicate());
    co_await watched.wait_hangup();
}

void ClientStreams::close() {
    ours_.reset();
    theirs_.reset();
    if (socket_) {
        // As Relay::end_shared_socket: the client shall read an end, not an error.
        ::shutdown(socket_.get(), SHUT_RDWR);
        std::array<char, 4096> rest;
        while (::recv(socket_.get(), rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
        }
        socket_.reset();
    }
    if (stream_) stream_->close();
    stream_.reset();
}

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/images/blocking_pipe.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>

#include "sys/file.h"

namespace berth::engine {

namespace {

struct Pair {
    UniqueFd blocking, for_loop;
};

Pair make_pair() {
    std::array<int, 2> ends{};
    sys::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    Pair pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
    int flags = sys::check(::fcntl(pair.for_loop.get(), F_GETFL), "fcntl");
    sys::check(::fcntl(pair.for_loop.get(), F_SETFL, flags | O_NONBLOCK), "fcntl");
    return pair;
}

}  // namespace

size_t PipeSource::read(std::span<std::byte> into) {
    ssize_t n =
        sys::check(sys::retry([&] { return ::recv(fd_.get(), into.data(), into.size(), 0); }), "recv");
    if (n == 0 && !complete_->load()) throw Error(ErrorKind::unavailable, "the request's body was cut off");
    return static_cast<size_t>(n);
}

void PipeSink::write(std::span<const std::byte> data) {
    while (!data.empty()) {
        ssize_t n = sys::check(
            sys::retry([&] { return ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL); }), "send");
        data = data.subspan(static_cast<size_t>(n));
    }
}

FeedPipe make_feed_pipe(async::Context& context) {
    Pair pair = make_pair();
    FeedPipe pipe;
    pipe.complete = std::make_shared<std::atomic<bool>>(false);
    pipe.source = std::make_unique<PipeSource>(std::move(pair.blocking), pipe.complete);
    pipe.writer = async::adopt(context, std::move(pair.for_loop));
    return pipe;
}

DrainPipe make_drain_pipe(async::Context& context) {
    Pair pair = make_pair();
    DrainPipe pipe;
    pipe.sink = std::make_unique<PipeSink>(std::move(pair.blocking));
    pipe.reader = async::adopt(context, std::move(pair.for_loop));
    return pipe;
}

}  // namespace berth::engine

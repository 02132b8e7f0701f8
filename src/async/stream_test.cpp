// SPDX-License-Identifier: Apache-2.0
#include "async/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/listener.h"
#include "async/thread.h"
#include "base/error.h"

namespace berth::async {
namespace {

using namespace std::chrono_literals;

std::span<const std::byte> bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

Task<std::string> read_to_end(Stream& stream) {
    std::string all;
    std::vector<std::byte> buffer(70'000);
    while (true) {
        size_t count = co_await stream.read_some(buffer);
        if (count == 0) co_return all;
        all.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
}

struct Pair {
    std::unique_ptr<Stream> client, server;
};

Task<Pair> connected(Listener& listener) {
    Pair pair;
    pair.client = co_await connect(listener.address());
    pair.server = co_await listener.accept();
    co_return pair;
}

Listener tcp_listener(Context& context) {
    return Listener(context, Address::parse("tcp://127.0.0.1:0"));
}

std::string message_of(std::function<void()> call, ErrorKind kind) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), kind) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
}

class TempDir {
  public:
    TempDir() { ::mkdtemp(path_.data()); }
    ~TempDir() { ::rmdir(path_.c_str()); }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  private:
    std::string path_ = "/tmp/berth-stream-XXXXXX";
};

TEST(AddressTest, ParsesAndPrints) {
    EXPECT_EQ(Address::parse("unix:///run/x.sock").text(), "unix:///run/x.sock");
    EXPECT_EQ(Address::parse("/run/x.sock").text(), "unix:///run/x.sock");
    EXPECT_EQ(Address::parse("tcp://[::1]:80").text(), "tcp://[::1]:80");
    EXPECT_EQ(Address::parse("localhost:5000").text(), "tcp://localhost:5000");
    EXPECT_EQ(Address::parse(":5000").host, "");
    for (const char* bad : {"", "tcp://", "tcp://host", "tcp://::1:80", "tcp://[::1:80", "tcp://h:99999",
                            "tcp://h:-1", "http://h:80", "unix://"})
        message_of([&] { Address::parse(bad); }, ErrorKind::invalid_argument);
}

TEST(StreamTest, CarriesBytesBothWaysAndTheEnd) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    std::string text(3'000'000, 'x');
    auto send = [](Stream& to, std::string_view what) -> Task<void> {
        std::span<const std::byte> pieces[] = {bytes("head "), bytes(what), bytes(" tail")};
        co_await to.write_pieces(pieces);
        co_await to.shutdown_write();
    };
    context.spawn("send", send(*pair.client, text));
    std::string got = context.block_on(read_to_end(*pair.server));
    EXPECT_EQ(got.size(), text.size() + 10);
    EXPECT_TRUE(got.starts_with("head x") && got.ends_with("x tail"));
    context.spawn("answer", send(*pair.server, "back"));
    EXPECT_EQ(context.block_on(read_to_end(*pair.client)), "head back tail");
    EXPECT_TRUE(pair.server->peer().starts_with("127.0.0.1:"));
}

TEST(StreamTest, SendsPartsOfFiles) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    std::string content;
    for (int i = 0; i < 500'000; ++i) content += static_cast<char>('a' + i % 26);
    ASSERT_EQ(::write(file.get(), content.data(), content.size()), ssize_t(content.size()));
    auto send = [](Stream& to, int fd, uint64_t length) -> Task<void> {
        co_await to.send_file(fd, 3, length);
        co_await to.shutdown_write();
    };
    context.spawn("send", send(*pair.client, file.get(), content.size() - 3));
    EXPECT_EQ(context.block_on(read_to_end(*pair.server)), content.substr(3));
    message_of([&] { context.block_on(pair.server->send_file(file.get(), 0, content.size() + 1)); },
               ErrorKind::internal);
}

TEST(StreamTest, PrefixComesFirst) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    auto stream = with_prefix("before ", std::move(pair.server));
    context.block_on(stream->wait_readable());
    context.block_on(pair.client->write(bytes("after")));
    context.block_on(pair.client->shutdown_write());
    EXPECT_EQ(context.block_on(read_to_end(*stream)), "before after");
}

TEST(StreamTest, TimesOutWhereNothingMoves) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    std::byte byte[1];
    pair.server->set_idle_timeout(20ms);
    std::string message =
        message_of([&] { context.block_on(pair.server->read_some(byte)); }, ErrorKind::unavailable);
    EXPECT_TRUE(message.starts_with("read from 127.0.0.1:") && message.ends_with("timed out after 20ms"))
        << message;
    std::string much(50'000'000, 'x');
    message_of([&] { context.block_on(pair.server->write(bytes(much))); }, ErrorKind::unavailable);
    pair.server->set_idle_timeout(0ms);
    pair.server->set_read_deadline(std::chrono::steady_clock::now() + 10ms);
    message_of([&] { context.block_on(pair.server->read_some(byte)); }, ErrorKind::unavailable);
    // The deadline is over, the connection is not.
    pair.server->set_read_deadline(std::nullopt);
    context.block_on(pair.client->write(bytes("y")));
    EXPECT_EQ(context.block_on(pair.server->read_some(byte)), 1u);
}

TEST(StreamTest, CloseEndsAPendingRead) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    std::byte byte[1];
    context.post([&] { pair.server->close(); });
    message_of([&] { context.block_on(pair.server->read_some(byte)); }, ErrorKind::unavailable);
    message_of([&] { context.block_on(pair.server->read_some(byte)); }, ErrorKind::unavailable);
}

TEST(StreamTest, ReadsCanBeCancelledAndTriedAgain) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    std::byte byte[1];
    message_of([&] { context.block_on(with_timeout(10ms, "read", pair.server->read_some(byte))); },
               ErrorKind::unavailable);
    context.block_on(pair.client->write(bytes("y")));
    EXPECT_EQ(context.block_on(pair.server->read_some(byte)), 1u);
}

TEST(ConnectTest, SaysWhyNot) {
    Context context;
    Address gone = tcp_listener(context).address();
    std::string message = message_of([&] { context.block_on(connect(gone)); }, ErrorKind::unavailable);
    EXPECT_TRUE(message.starts_with("dial tcp 127.0.0.1:") &&
                message.ends_with("connect: connection refused"))
        << message;
    message =
        message_of([&] { context.block_on(connect(Address::parse("tcp://does-not-exist.invalid:80"))); },
                   ErrorKind::unavailable);
    EXPECT_TRUE(message.starts_with("dial tcp: lookup does-not-exist.invalid: ")) << message;
    message = message_of([&] { context.block_on(connect(Address::parse("unix:///nowhere/x.sock"))); },
                         ErrorKind::unavailable);
    EXPECT_EQ(message, "dial unix /nowhere/x.sock: connect: no such file or directory");
}

TEST(ConnectTest, FindsNames) {
    Context context;
    Listener listener = tcp_listener(context);
    Address address = listener.address();
    address.host = "localhost";
    EXPECT_TRUE(context.block_on(connect(address)));
}

TEST(ListenerTest, ReplacesOnlyUnixSocketsThatAreDead) {
    Context context;
    TempDir dir;
    Address address = Address::parse(dir / "x.sock");
    {
        Listener listener(context, address);
        std::string message = message_of([&] { Listener second(context, address); }, ErrorKind::conflict);
        EXPECT_NE(message.find("address already in use"), std::string::npos) << message;
        Pair pair = context.block_on(connected(listener));
        EXPECT_EQ(pair.client->peer(), "unix");
    }
    EXPECT_NE(::access(address.host.c_str(), F_OK), 0) << "its file is left";
    {
        // A file that nobody listens on, as after kill -9.
        Listener dead(context, address);
        ASSERT_EQ(::rename(address.host.c_str(), (address.host + ".kept").c_str()), 0);
    }
    ASSERT_EQ(::rename((address.host + ".kept").c_str(), address.host.c_str()), 0);
    Listener again(context, address);
    EXPECT_TRUE(context.block_on(connected(again)).server);
}

TEST(ListenerTest, WaitsWhereDescriptorsRunOut) {
    Context context;
    Listener listener = tcp_listener(context);
    auto client = context.block_on(connect(listener.address()));
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    UniqueFd next(::dup(0));
    rlimit none{static_cast<rlim_t>(next.get()), before.rlim_max};
    next.reset();
    ::setrlimit(RLIMIT_NOFILE, &none);
    auto accept_later = [](Listener& from) -> Task<bool> {
        std::unique_ptr<Stream> stream = co_await from.accept();
        co_return stream != nullptr;
    };
    std::string message =
        message_of([&] { context.block_on(with_timeout(30ms, "accept", accept_later(listener))); },
                   ErrorKind::unavailable);
    EXPECT_EQ(message, "accept: timed out after 30ms");
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(context.block_on(accept_later(listener)));
}

TEST(StreamTest, GivesItsSocketAway) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    auto stream = with_prefix("before", std::move(pair.server));
    std::array<std::byte, 3> three{};
    EXPECT_EQ(context.block_on(stream->read_some(three)), 3U);
    std::optional<PlainSocket> plain = stream->release_fd();
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->before, "ore");
    EXPECT_THROW(context.block_on(stream->read_some(three)), Error);
    stream.reset();
    EXPECT_EQ(::send(plain->fd.get(), "hi", 2, 0), 2) << "the socket lives on";
    plain->fd.reset();
    EXPECT_EQ(context.block_on(read_to_end(*pair.client)), "hi");
}

TEST(StreamTest, MovesToAnotherThread) {
    Context context;
    Thread other("other");
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    pair.server->set_idle_timeout(1min);
    auto echo = [](Context& home, Stream& stream) -> Task<void> {
        std::array<std::byte, 100> buffer{};
        size_t count = co_await stream.read_some(buffer);
        co_await stream.write(std::span(buffer).first(count));
        stream.move_to(home);
    };
    auto task = [&]() -> Task<void> {
        for (std::string_view text : {"one", "two"}) {
            pair.server->move_to(other.context());
            std::vector<Task<void>> both;
            both.push_back(run_on(other.context(), echo(context, *pair.server)));
            both.push_back(pair.client->write(bytes(text)));
            co_await all_of(std::move(both));
            std::array<std::byte, 100> buffer{};
            size_t count = co_await pair.client->read_some(buffer);
            EXPECT_EQ(std::string_view(reinterpret_cast<char*>(buffer.data()), count), text);
        }
        co_await pair.server->write(bytes("home"));
        pair.server.reset();
        std::string rest = co_await read_to_end(*pair.client);
        EXPECT_EQ(rest, "home");
    };
    context.block_on(task());
}

TEST(StreamTest, TheIdleTimeOutIsNotForWhoWaitsForNothing) {
    Context context;
    Listener listener = tcp_listener(context);
    Pair pair = context.block_on(connected(listener));
    pair.server->set_idle_timeout(1ms);
    auto wait = [&]() -> Task<size_t> {
        std::vector<Task<void>> both;
        both.push_back(pair.server->wait_readable());
        both.push_back(sleep_for(50ms));
        size_t first = co_await any_of(std::move(both));
        co_return first;
    };
    EXPECT_EQ(context.block_on(wait()), 1U);
}

}  // namespace
}  // namespace berth::async

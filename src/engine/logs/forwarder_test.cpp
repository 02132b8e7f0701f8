// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/forwarder.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include <thread>

#include "base/json.h"
#include "engine/logs/forwarding.h"
#include "engine/logs/log_fixture.h"

namespace berth::engine {
namespace {

using shim::LogFormat;
using shim::Stream;

/// A bound socket that waits for what comes.
class Receiver {
  public:
    Receiver(int family, int type, const std::string& path = "", int buffer = 0) {
        socket_.reset(::socket(family, type | SOCK_CLOEXEC, 0));
        if (buffer != 0) ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        if (family == AF_UNIX) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            path.copy(address.sun_path, sizeof address.sun_path - 1);
            EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        } else {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
            EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
            socklen_t size = sizeof address;
            ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
            port_ = ::ntohs(address.sin_port);
        }
        if (type == SOCK_STREAM) EXPECT_EQ(::listen(socket_.get(), 16), 0);
    }
    std::string port() const { return std::to_string(port_); }

    /// One datagram; "" where none is there (unless `flags` lets it wait).
    std::string datagram(int flags = MSG_DONTWAIT) {
        std::string data(70'000, '\0');
        ssize_t got = ::recv(socket_.get(), data.data(), data.size(), flags);
        data.resize(got < 0 ? 0 : static_cast<size_t>(got));
        return data;
    }
    UniqueFd accept() { return UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    /// What a connection that is over has brought.
    static std::string read_rest(int fd) { return sys::read_all(fd, "connection"); }

  private:
    UniqueFd socket_;
    uint16_t port_ = 0;
};

class ForwarderTest : public LogTest {
  protected:
    // The loop always has something to wait for, so that it goes on from one block_on() to the next.
    ForwarderTest() : context_(2) {
        context_.spawn("never", never_.wait());
        open(LogFormat::local);
    }

    Forwarder::Setup setup(const std::string& driver, const LogOptionMap& options) {
        Forwarder::Setup result;
        result.driver = driver;
        result.log.options = options;
        result.log.container.id = "0123456789abcdef0123456789abcdef";
        result.log.container.name = "/web";
        result.log.container.image_name = "nginx";
        result.log.container.labels = {{"my-label", "v"}};
        result.log.container.entrypoint = "sh";
        result.log.places.journal = folder_ + "/journal";
        result.log.places.syslog = {folder_ + "/absent", folder_ + "/devlog"};
        result.location = location_;
        result.cursor_path = folder_ + "/cursor";
        result.first_retry = std::chrono::milliseconds(10);
        return result;
    }
    /// Sends all that is in the log by now.
    void send(const std::string& driver, const LogOptionMap& options) {
        Forwarder forwarder(watcher_, setup(driver, options));
        forwarder.finish();
        context_.block_on(forwarder.run());
    }

    async::Context context_;
    async::Event never_{context_};
    LogWatcher watcher_{context_};
};

TEST_F(ForwarderTest, Journald) {
    Receiver journal(AF_UNIX, SOCK_DGRAM, folder_ + "/journal");
    put(Stream::out, kNoon, "hello");
    put(Stream::err, kNoon + 1, "");
    sink_->append(Stream::out, std::string(20'000, 'x') + "\n", kNoon);
    send("journald", {{"labels", "my-label"}, {"tag", "{{.Name}}"}});
    std::string fixed =
        "CONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef0123456789abcdef\nCONTAINER_NAME=web\n"
        "CONTAINER_TAG=web\nIMAGE_NAME=nginx\nMY_LABEL=v\nSYSLOG_IDENTIFIER=web\n";
    EXPECT_EQ(journal.datagram(),
              "PRIORITY=6\nMESSAGE=hello\nSYSLOG_TIMESTAMP=2024-03-01T12:00:00Z\n" + fixed);
    EXPECT_EQ(journal.datagram(),
              "PRIORITY=3\nMESSAGE=\nSYSLOG_TIMESTAMP=2024-03-01T12:00:00.000000001Z\n" + fixed);
    std::string first = journal.datagram(), second = journal.datagram();
    EXPECT_NE(first.find("CONTAINER_PARTIAL_MESSAGE=true\n"), std::string::npos);
    EXPECT_NE(first.find("CONTAINER_PARTIAL_ORDINAL=1\nCONTAINER_PARTIAL_LAST=false\n"), std::string::npos);
    EXPECT_NE(second.find("CONTAINER_PARTIAL_ORDINAL=2\nCONTAINER_PARTIAL_LAST=true\n"), std::string::npos);
    EXPECT_EQ(second.find("CONTAINER_PARTIAL_MESSAGE"), std::string::npos);
    size_t id = first.find("CONTAINER_PARTIAL_ID=");
    EXPECT_NE(second.find(first.substr(id, 21 + 64)), std::string::npos);
    EXPECT_EQ(journal.datagram(), "");
}

TEST_F(ForwarderTest, EachRecordOnceAcrossRestarts) {
    Receiver server(AF_INET, SOCK_DGRAM);
    options_.max_size = 3000;
    options_.max_file = 100;
    options_.compress = true;
    open(LogFormat::local);
    int next = 0;
    for (int round = 0; round < 12; ++round) {
        int from = next;
        for (int i = 0; i < 1 + round * 7; ++i, ++next)
            put(Stream::out, kNoon + next / 5, std::to_string(next));
        // The file of the cursor has been compressed meanwhile, or not.
        if (round % 2 == 0) sink_->drain();
        send("syslog", {{"syslog-address", "udp://127.0.0.1:" + server.port()}});
        for (int i = from; i < next; ++i) {
            std::string message = server.datagram();
            ASSERT_NE(message.find("]: " + std::to_string(i) + "\n"), std::string::npos) << i << message;
        }
        ASSERT_EQ(server.datagram(), "") << round;
    }
}

TEST_F(ForwarderTest, SyslogFormats) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    put(Stream::out, kNoon + 123'456'789, "hello");
    put(Stream::err, kNoon, "bad");
    char host[256] = {};
    ::gethostname(host, sizeof host);
    std::string pid = std::to_string(::getpid());
    std::string name = host;
    auto receive = [&](const std::string& format) {
        Receiver server(AF_INET, SOCK_DGRAM);
        ::unlink((folder_ + "/cursor").c_str());
        LogOptionMap options = {{"syslog-address", "udp://127.0.0.1:" + server.port()}, {"tag", "t"}};
        if (!format.empty()) options["syslog-format"] = format;
        send("syslog", options);
        std::string first = server.datagram();
        EXPECT_TRUE(server.datagram().starts_with("<27>"));
        return first;
    };
    EXPECT_EQ(receive(""), "<30>Mar  1 12:00:00 t[" + pid + "]: hello\n");
    EXPECT_EQ(receive("rfc3164"), "<30>Mar  1 12:00:00 " + name + " t[" + pid + "]: hello\n");
    EXPECT_EQ(receive("rfc5424"), "<30>1 2024-03-01T12:00:00Z " + name + " t " + pid + " t - hello\n");
    EXPECT_EQ(receive("rfc5424micro"),
              "<30>1 2024-03-01T12:00:00.123456Z " + name + " t " + pid + " t - hello\n");
}

TEST_F(ForwarderTest, SyslogLocalAndStream) {
    put(Stream::out, kNoon, "hello");
    {
        Receiver local(AF_UNIX, SOCK_DGRAM, folder_ + "/devlog");
        send("syslog", {{"syslog-facility", "local0"}});
        EXPECT_TRUE(local.datagram().starts_with("<134>"));
    }
    put(Stream::out, kNoon + 1, "again");
    Receiver server(AF_INET, SOCK_STREAM);
    send("syslog", {{"syslog-address", "tcp://127.0.0.1:" + server.port()}});
    UniqueFd connection = server.accept();
    std::string text = Receiver::read_rest(connection.get());
    EXPECT_TRUE(text.ends_with(": again\n")) << text;
    EXPECT_EQ(text.find("hello"), std::string::npos);
}

TEST_F(ForwarderTest, Fluentd) {
    put(Stream::err, kNoon + 5, "hello");
    Receiver server(AF_INET, SOCK_STREAM);
    send("fluentd",
         {{"fluentd-address", "127.0.0.1:" + server.port()}, {"tag", "t"}, {"labels", "my-label"}});
    UniqueFd connection = server.accept();
    std::string expected_bytes = "\x93\xa1t\xce";
    expected_bytes += std::string("\x65\xe1\xc3\x40", 4);
    expected_bytes += "\x85";
    auto field = [&](const std::string& key, const std::string& value) {
        expected_bytes += static_cast<char>(0xa0 + key.size());
        expected_bytes += key;
        if (value.size() < 32) {
            expected_bytes += static_cast<char>(0xa0 + value.size());
        } else {
            expected_bytes += std::string("\xda\0", 2);
            expected_bytes += static_cast<char>(value.size());
        }
        expected_bytes += value;
    };
    field("container_id", "0123456789abcdef0123456789abcdef");
    field("container_name", "/web");
    field("log", "hello");
    field("my-label", "v");
    field("source", "stderr");
    EXPECT_EQ(Receiver::read_rest(connection.get()), expected_bytes);
}

TEST_F(ForwarderTest, FluentdAcknowledged) {
    Receiver server(AF_UNIX, SOCK_STREAM, folder_ + "/fluentd");
    for (int i = 0; i < 20; ++i) put(Stream::out, kNoon + i, "line" + std::to_string(i));
    std::string received;
    std::thread answer([&] {
        // The first connection takes everything and confirms nothing.
        {
            UniqueFd first = server.accept();
            char byte;
            (void)!::read(first.get(), &byte, 1);
        }
        UniqueFd connection = server.accept();
        char block[4096];
        while (true) {
            ssize_t got = ::read(connection.get(), block, sizeof block);
            if (got <= 0) break;
            received.append(block, static_cast<size_t>(got));
            size_t chunk = received.rfind("chunk");
            if (chunk == std::string::npos || received.size() < chunk + 7 + 32) continue;
            std::string reply =
                "\x81\xa3"
                "ack\xda" +
                std::string("\0\x20", 2) + received.substr(chunk + 8, 32);
            (void)!::write(connection.get(), reply.data(), reply.size());
        }
    });
    send("fluentd", {{"fluentd-address", "unix://" + folder_ + "/fluentd"},
                     {"fluentd-request-ack", "true"},
                     {"fluentd-sub-second-precision", "true"}});
    answer.join();
    for (int i = 0; i < 20; ++i) EXPECT_NE(received.find("line" + std::to_string(i)), std::string::npos);
    EXPECT_NE(received.find(std::string("\xd7\0\x65\xe1\xc3\x40\0\0\0\x13", 10)), std::string::npos);
}

TEST_F(ForwarderTest, GelfOverUdp) {
    put(Stream::err, kNoon + 120'000'000, "hello");
    auto receive = [&](const std::string& kind) {
        Receiver server(AF_INET, SOCK_DGRAM);
        ::unlink((folder_ + "/cursor").c_str());
        send("gelf", {{"gelf-address", "udp://127.0.0.1:" + server.port()}, {"gelf-compression-type", kind}});
        std::string message = server.datagram();
        if (kind == "none") return message;
        std::string text(10'000, '\0');
        z_stream stream{};
        EXPECT_EQ(::inflateInit2(&stream, MAX_WBITS + (kind == "gzip" ? 16 : 0)), Z_OK);
        stream.next_in = reinterpret_cast<Bytef*>(message.data());
        stream.avail_in = static_cast<uInt>(message.size());
        stream.next_out = reinterpret_cast<Bytef*>(text.data());
        stream.avail_out = static_cast<uInt>(text.size());
        EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
        text.resize(stream.total_out);
        ::inflateEnd(&stream);
        return text;
    };
    std::string plain = receive("none");
    EXPECT_EQ(receive("gzip"), plain);
    EXPECT_EQ(receive("zlib"), plain);
    json::Object message = json::parse(plain).as_object();
    EXPECT_EQ(message["version"].as_string(), "1.1");
    EXPECT_EQ(message["short_message"].as_string(), "hello");
    EXPECT_EQ(message["level"].to_number<int>(), 3);
    EXPECT_EQ(message["timestamp"].to_number<double>(), 1709294400.12);
    EXPECT_EQ(message["_container_name"].as_string(), "web");
}

TEST_F(ForwarderTest, GelfChunks) {
    std::string line = random_hex(5000);
    put(Stream::out, kNoon, line);
    Receiver server(AF_INET, SOCK_DGRAM);
    send("gelf", {{"gelf-address", "udp://127.0.0.1:" + server.port()}, {"gelf-compression-type", "none"}});
    std::string whole;
    std::string id;
    int count = 0;
    while (true) {
        std::string chunk = server.datagram();
        if (chunk.empty()) break;
        ASSERT_TRUE(chunk.starts_with("\x1e\x0f"));
        ASSERT_LE(chunk.size(), 1420U);
        if (id.empty()) id = chunk.substr(2, 8);
        ASSERT_EQ(chunk.substr(2, 8), id);
        ASSERT_EQ(chunk[10], count++);
        ASSERT_EQ(chunk[11], 8);
        whole += chunk.substr(12);
    }
    EXPECT_EQ(count, 8);
    EXPECT_EQ(json::parse(whole).as_object()["short_message"].as_string(), line);
}

TEST_F(ForwarderTest, GelfOverTcp) {
    put(Stream::out, kNoon, "one");
    put(Stream::out, kNoon, "two");
    Receiver server(AF_INET, SOCK_STREAM);
    send("gelf", {{"gelf-address", "tcp://127.0.0.1:" + server.port()}});
    UniqueFd connection = server.accept();
    std::vector<std::string> parts;
    std::string text = Receiver::read_rest(connection.get());
    for (std::string_view part : split(text, '\0'))
        if (!part.empty()) parts.emplace_back(part);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_EQ(json::parse(parts[1]).as_object()["short_message"].as_string(), "two");
}

TEST_F(ForwarderTest, WaitsForTheEndpointAndFollows) {
    std::string path = folder_ + "/journal";
    Forwarder forwarder(watcher_, setup("journald", {}));
    put(Stream::out, kNoon, "0");
    std::vector<std::string> received;
    std::thread world([&] {
        // The endpoint appears late, and goes away once.
        for (int round = 0; round < 2; ++round) {
            ::unlink(path.c_str());
            Receiver journal(AF_UNIX, SOCK_DGRAM, path);
            size_t wanted = round == 0 ? 3 : 6;
            for (int i = static_cast<int>(received.size()) + (round == 0 ? 1 : 0);
                 i < static_cast<int>(wanted); ++i)
                put(Stream::out, kNoon + i, std::to_string(i));
            while (received.size() < wanted) {
                std::string message = journal.datagram(0);
                received.push_back(message.substr(message.find("MESSAGE=") + 8, 1));
            }
        }
        forwarder.finish();
    });
    context_.block_on(forwarder.run());
    world.join();
    EXPECT_EQ(received, (std::vector<std::string>{"0", "1", "2", "3", "4", "5"}));
}

TEST_F(ForwarderTest, ALostConnectionIsMadeUpFor) {
    // With a small window, so that the sender's kernel holds nearly all of it when the connection breaks.
    Receiver server(AF_INET, SOCK_STREAM, "", 4096);
    Forwarder forwarder(watcher_, setup("gelf", {{"gelf-address", "tcp://127.0.0.1:" + server.port()}}));
    for (int i = 0; i < 5'000; ++i) put(Stream::out, kNoon + i, "line " + std::to_string(i) + ".");
    std::string received;
    std::thread world([&] {
        {
            // Takes a bit, then resets the connection: what is in its buffers is lost.
            UniqueFd connection = server.accept();
            char block[1000];
            EXPECT_GT(::read(connection.get(), block, sizeof block), 0);
            linger now{1, 0};
            ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        UniqueFd connection = server.accept();
        forwarder.finish();
        char block[65536];
        // The forwarder closes when all is delivered.
        while (true) {
            ssize_t got = ::read(connection.get(), block, sizeof block);
            if (got <= 0) break;
            received.append(block, static_cast<size_t>(got));
        }
    });
    context_.block_on(forwarder.run());
    world.join();
    size_t at = 0;
    for (int i = 0; i < 5'000; ++i) {
        at = received.find("line " + std::to_string(i) + ".", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST_F(ForwarderTest, ChecksAsDockerdDoes) {
    auto check = [&](const std::string& driver, const LogOptionMap& options) -> std::string {
        Forwarder forwarder(watcher_, setup(driver, options));
        try {
            context_.block_on(forwarder.check());
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(check("journald", {}), "journald is not enabled on this host");
    Receiver closed(AF_INET, SOCK_DGRAM);
    EXPECT_NE(
        check("fluentd", {{"fluentd-address", "127.0.0.1:" + closed.port()}}).find("connection refused"),
        std::string::npos);
    EXPECT_EQ(
        check("fluentd", {{"fluentd-address", "127.0.0.1:" + closed.port()}, {"fluentd-async", "true"}}), "");
}

TEST_F(ForwarderTest, ServiceOfMany) {
    Receiver journal(AF_UNIX, SOCK_DGRAM, folder_ + "/journal");
    Forwarding forwarding(context_, context_);
    put(Stream::out, kNoon, "first");
    forwarding.started("a", setup("journald", {}));
    forwarding.ended("a");
    auto next = [](Receiver* receiver, std::string* result) -> async::Task<void> {
        while ((*result = receiver->datagram()).empty())
            co_await async::sleep_for(std::chrono::milliseconds(1));
    };
    std::string message;
    context_.block_on(next(&journal, &message));
    EXPECT_NE(message.find("MESSAGE=first\n"), std::string::npos);
    // Started again, perhaps while the first forwarder still saves its cursor.
    forwarding.started("a", setup("journald", {}));
    put(Stream::out, kNoon + 1, "second");
    context_.block_on(next(&journal, &message));
    EXPECT_NE(message.find("MESSAGE=second\n"), std::string::npos);
    forwarding.removed("a");
    forwarding.removed("unknown");
    async::Task<void> pause = async::sleep_for(std::chrono::milliseconds(1));
    context_.block_on(std::move(pause));
    EXPECT_EQ(journal.datagram(), "");
}

}  // namespace
}  // namespace berth::engine

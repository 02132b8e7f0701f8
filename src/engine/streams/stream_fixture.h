// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/stream.h"
#include "async/thread.h"
#include "engine/containers/container.h"
#include "engine/logs/log_options.h"
#include "engine/streams/attach.h"
#include "shim/exit_record.h"
#include "shim/shim_fixture.h"

namespace berth::engine {

/// A container with a real shim and none of the service around it.
class TestContainer : public Container {
  public:
    TestContainer(std::string directory, ContainerRecord record) : directory_(std::move(directory)) {
        record_ = std::move(record);
    }

    async::Task<void> add_session(std::shared_ptr<StreamSession> session) override {
        if (shim_)
            co_await session->bind(shim_);
        else
            sessions.push_back(std::move(session));
    }
    void drop_session(const StreamSession* session) override {
        std::erase_if(sessions, [&](auto& each) { return each.get() == session; });
    }
    async::Task<void> changed() override { return async::sleep_for(std::chrono::hours(1)); }
    std::shared_ptr<void> at_exit(std::function<void()> listener) override {
        exit_listener = std::move(listener);
        return std::make_shared<int>(0);
    }
    std::string directory() const override { return directory_; }
    std::string log_path() const override { return {}; }
    std::string bundle() const override { return directory_; }

    /// Binds who waits, then starts the program.
    async::Task<void> start(std::shared_ptr<shim::AsyncClient> shim) {
        shim_ = std::move(shim);
        for (auto& session : std::exchange(sessions, {})) co_await session->bind(shim_);
        state_.pid = co_await shim_->start();
        state_.status = ContainerStatus::running;
    }
    void set_status(ContainerStatus status) { state_.status = status; }
    /// The program has ended.
    void end() {
        state_.status = ContainerStatus::exited;
        if (exit_listener) exit_listener();
        shim_.reset();
    }

    std::vector<std::shared_ptr<StreamSession>> sessions;
    std::function<void()> exit_listener;

  private:
    std::string directory_;
};

/// A connection's far end, blocking.
class TestClient {
  public:
    explicit TestClient(UniqueFd fd) : fd_(std::move(fd)) {
        timeval limit{20, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    void send(std::string_view text) {
        ASSERT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
    void close() { fd_.reset(); }
    std::string read_until(std::string_view mark) {
        std::string all;
        while (all.find(mark) == std::string::npos && read_more(all)) {
        }
        return all;
    }
    std::string read_to_end() {
        std::string all;
        while (read_more(all)) {
        }
        return all;
    }
    int fd() const { return fd_.get(); }

  private:
    bool read_more(std::string& into) {
        char buffer[65536];
        ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
        if (count < 0) into += "<" + errno_text(errno) + ">";
        if (count > 0) into.append(buffer, static_cast<size_t>(count));
        return count > 0;
    }
    UniqueFd fd_;
};

/// A stream that is no bare socket, as TLS is.
class OpaqueStream : public async::Stream {
  public:
    explicit OpaqueStream(std::unique_ptr<async::Stream> plain) : plain_(std::move(plain)) {}
    async::Task<size_t> read_some(std::span<std::byte> into) override { return plain_->read_some(into); }
    async::Task<void> wait_readable() override { return plain_->wait_readable(); }
    async::Task<void> write(std::span<const std::byte> data) override { return plain_->write(data); }
    async::Task<void> write_pieces(std::span<const std::span<const std::byte>> pieces) override {
        return plain_->write_pieces(pieces);
    }
    async::Task<void> shutdown_write() override { return plain_->shutdown_write(); }
    void close() override { plain_->close(); }
    void set_idle_timeout(std::chrono::milliseconds limit) override { plain_->set_idle_timeout(limit); }
    void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> end) override {
        plain_->set_read_deadline(end);
    }
    async::Task<void> send_file(int fd, uint64_t offset, uint64_t length) override {
        return plain_->send_file(fd, offset, length);
    }
    int fd() const override { return plain_->fd(); }
    void move_to(async::Context& context) override { plain_->move_to(context); }
    std::string peer() const override { return plain_->peer(); }

  private:
    std::unique_ptr<async::Stream> plain_;
};

/// Docker's frames as "1:text" and "2:text", neighbours of one stream joined.
inline std::vector<std::string> frames_of(std::string_view data) {
    std::vector<std::string> found;
    while (data.size() >= 8) {
        size_t length = 0;
        for (int i = 4; i < 8; ++i) length = length << 8 | static_cast<unsigned char>(data[i]);
        std::string stream = data[0] == 1 ? "1:" : "2:";
        std::string text(data.substr(8, length));
        if (!found.empty() && found.back().starts_with(stream))
            found.back() += text;
        else
            found.push_back(stream + text);
        data.remove_prefix(std::min(data.size(), 8 + length));
    }
    return found;
}

/// The texts of both streams, which come by pipes of their own: in no order.
inline std::map<char, std::string> texts_of(std::string_view data) {
    std::map<char, std::string> texts;
    for (const std::string& frame : frames_of(data)) texts[frame[0]] += frame.substr(2);
    return texts;
}

class StreamsTest : public shim::ShimTest {
  protected:
    struct Published {
        std::string action;
        std::map<std::string, std::string> more;
    };

    ContainerEventPublisher publisher() {
        return [this](const Container&, std::string action, std::map<std::string, std::string> more) {
            published_.push_back({std::move(action), std::move(more)});
            more_published_.set();
        };
    }
    async::Task<void> until_published(std::string action) {
        while (std::ranges::find(published_, action, &Published::action) == published_.end()) {
            more_published_.reset();
            co_await more_published_.wait();
        }
    }

    /// Its program is `script`; not started.
    void make_container(std::string_view script, bool open_stdin = false, bool stdin_once = false,
                        bool tty = false) {
        ContainerRecord record;
        record.id = options_.id;
        record.config.Tty = tty;
        record.config.OpenStdin = open_stdin;
        record.config.StdinOnce = stdin_once;
        record.host_config.LogConfig_.Type = "json-file";
        options_.open_stdin = open_stdin;
        options_.stdin_once = stdin_once;
        LogContainer about;
        about.id = record.id;
        options_.log = plan_log("json-file", {}, about, path_).settings;
        container_ = std::make_shared<TestContainer>(path_, std::move(record));
        shim_.emplace(start_shim(script, tty));
    }
    void start() {
        auto client = std::make_shared<shim::AsyncClient>(control_, shim_->client.release());
        control_.block_on(container_->start(std::move(client)));
    }
    /// Waits for the end of the program, and of its shim.
    int wait() {
        std::optional<shim::ExitRecord> record;
        try {
            record = control_.block_on(container_->shim()->wait());
        } catch (const Error&) {
            // The shim has gone already: its record is there.
        }
        container_->end();
        shim_->process.wait();
        if (!record) record = shim::read_exit(directory_.get());
        return record.value().code;
    }
    void kill() {
        control_.block_on(container_->shim()->kill(SIGKILL));
        wait();
    }

    /// A hijacked connection and the client behind it.
    struct Connection {
        std::unique_ptr<async::Stream> server;
        TestClient client;
    };
    Connection connect() {
        std::array<int, 2> pair{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
        UniqueFd server(pair[0]);
        ::fcntl(server.get(), F_SETFL, O_NONBLOCK);
        return {async::adopt(control_, std::move(server)), TestClient(UniqueFd(pair[1]))};
    }

    async::Context control_;
    async::Thread streams_{"streams"};
    async::Event more_published_{control_};
    std::vector<Published> published_;
    std::shared_ptr<TestContainer> container_;
    std::optional<shim::Spawned> shim_;
};

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "shim/stdio.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <thread>
#include <vector>

#include "sys/file.h"

namespace berth::shim {
namespace {

using namespace std::chrono_literals;

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        std::array<int, 2> fds{};
        EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
        read.reset(fds[0]);
        write.reset(fds[1]);
    }
};

/// What there is to read at once; "<end>" is added at the end of the stream.
std::string available(int fd) {
    std::string text;
    pollfd ready{fd, POLLIN, 0};
    while (poll(&ready, 1, 0) > 0) {
        std::array<char, 65536> buffer;
        ssize_t got = read(fd, buffer.data(), buffer.size());
        if (got <= 0) return text + "<end>";
        text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
}

/// The process's side is played by the test: it holds the ends that the process would have.
class StdioTest : public testing::Test, protected StdioListener {
  protected:
    void output(Stream stream, std::string_view chunk, int64_t) override {
        logged[stream == Stream::out ? 0 : 1] += chunk;
        check();
    }
    void output_ended(Stream) override {
        ++ended;
        check();
    }
    void client_dropped(uint64_t attachment, uint64_t bytes) override {
        dropped.emplace_back(attachment, bytes);
        check();
    }
    void drained() override {
        is_drained = true;
        check();
    }
    void detached() override {
        ++detaches;
        check();
    }

    /// Runs the loop until `condition` holds; it is looked at after each event and each millisecond.
    template <typename Condition>
    void run_until(Condition condition) {
        while (!condition()) {
            tick.arm<&StdioTest::check>(*loop, 1ms, this);
            loop->run();
        }
    }
    /// Lets pass all that is ready.
    void settle() {
        int turns = 0;
        run_until([&] { return ++turns > 20; });
    }
    void check() { loop->stop(); }
    /// What the loop does when `fd` can be read, before anything else: longer than drain() waits for silence.
    void keep_busy(int fd) { busy.set<&StdioTest::be_busy>(*loop, fd, EPOLLIN, this); }
    void be_busy(uint32_t) {
        busy.reset();
        std::this_thread::sleep_for(200ms);
    }

    void make(bool once = false, bool in = true) {
        stdio.emplace(*loop, static_cast<StdioListener&>(*this), once);
        ends = stdio->open_pipes(in, true, true);
        stdio->run();
    }
    void say(int stream, std::string_view text) { sys::write_all(ends.fds[stream].get(), text, "stream"); }

    std::optional<Loop> loop{std::in_place};
    std::optional<Stdio> stdio;
    Stdio::ProcessEnds ends;
    std::array<std::string, 2> logged;
    std::vector<std::pair<uint64_t, uint64_t>> dropped;
    int ended = 0;
    int detaches = 0;
    bool is_drained = false;
    Timer tick;
    Watch busy;
};

TEST_F(StdioTest, output_goes_to_the_listener_and_to_each_client) {
    make();
    Pipe one, two_out, two_err;
    stdio->attach(1, {.out = std::move(one.write)});
    stdio->attach(2, {.out = std::move(two_out.write), .err = std::move(two_err.write)});
    say(1, "hello");
    say(2, "warning");
    run_until([&] { return logged[0] == "hello" && logged[1] == "warning"; });
    EXPECT_EQ(available(one.read.get()), "hello");
    EXPECT_EQ(available(two_out.read.get()), "hello");
    EXPECT_EQ(available(two_err.read.get()), "warning");
}

TEST_F(StdioTest, framed_output_carries_the_stream_and_the_length) {
    make();
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    UniqueFd ours(pair[0]);
    stdio->attach(1, {.out = UniqueFd(pair[1]), .framing = Framing::docker});
    say(1, "abc");
    run_until([&] { return logged[0] == "abc"; });
    say(2, "de");
    run_until([&] { return logged[1] == "de"; });
    EXPECT_EQ(available(ours.get()), std::string("\1\0\0\0\0\0\0\3abc\2\0\0\0\0\0\0\2de", 21));
    ends.fds[1].reset();
    run_until([&] { return ended == 1; });
    EXPECT_EQ(available(ours.get()), "") << "the other stream may go on";
    ends.fds[2].reset();
    run_until([&] { return ended == 2; });
    EXPECT_EQ(available(ours.get()), "") << "the process is about to end";
    stdio->drain();
    EXPECT_EQ(available(ours.get()), "<end>");
    EXPECT_EQ(detaches, 1);
}

TEST_F(StdioTest, a_process_without_outputs_that_goes_on_holds_no_client) {
    make();
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    UniqueFd ours(pair[0]);
    stdio->attach(1, {.out = UniqueFd(pair[1]), .skip = {false, true}, .framing = Framing::docker});
    say(2, "not wanted");
    run_until([&] { return logged[1] == "not wanted"; });
    ends.fds[1].reset();
    ends.fds[2].reset();
    run_until([&] { return detaches == 1; });
    EXPECT_EQ(available(ours.get()), "<end>");
}

TEST_F(StdioTest, outputs_may_end_with_the_source) {
    make();
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    UniqueFd ours(pair[0]), theirs(pair[1]);
    stdio->attach(1, {.source = theirs.duplicate(),
                      .out = std::move(theirs),
                      .framing = Framing::docker,
                      .ends_with_stdin = true});
    ASSERT_EQ(shutdown(ours.get(), SHUT_WR), 0);
    run_until([&] { return detaches == 1; });
    EXPECT_EQ(available(ours.get()), "<end>");
    EXPECT_TRUE(stdio->stdin_open());
}

TEST_F(StdioTest, what_stdin_did_not_take_is_no_error_for_the_client) {
    make();
    std::array<int, 2> pair{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    UniqueFd ours(pair[0]), theirs(pair[1]);
    ASSERT_EQ(send(ours.get(), "unread", 6, MSG_NOSIGNAL), 6);
    stdio->attach(1, {.source = theirs.duplicate(), .out = std::move(theirs), .framing = Framing::docker});
    ends.fds[0].reset();
    ends.fds[1].reset();
    ends.fds[2].reset();
    stdio->drain();
    run_until([&] { return detaches == 1; });
    EXPECT_EQ(available(ours.get()), "<end>");
}

TEST_F(StdioTest, a_client_that_does_not_read_is_dropped_and_the_container_goes_on) {
    make();
    Pipe slow, good;
    stdio->attach(7, {.out = std::move(slow.write)});
    std::string chunk(60'000, 'x');
    size_t total = 0;
    while (dropped.empty()) {
        say(1, chunk);
        total += chunk.size();
        run_until([&] { return logged[0].size() == total; });
        ASSERT_LT(total, 3 * ClientOutput::kMaxBacklog);
    }
    EXPECT_EQ(dropped[0].first, 7U);
    EXPECT_GT(dropped[0].second, ClientOutput::kMaxBacklog / 2);
    EXPECT_LE(dropped[0].second, ClientOutput::kMaxBacklog);
    EXPECT_EQ(stdio->attachments(), 0U);
    stdio->attach(8, {.out = std::move(good.write)});
    say(1, "after");
    run_until([&] { return logged[0].ends_with("after"); });
    EXPECT_EQ(available(good.read.get()), "after");
}

TEST_F(StdioTest, what_a_client_could_not_take_arrives_later_and_in_order) {
    make();
    Pipe client;
    stdio->attach(1, {.out = std::move(client.write)});
    std::string all;
    for (int i = 0; i < 10; ++i) {
        std::string chunk = std::string(50'000, static_cast<char>('a' + i));
        say(1, chunk);
        all += chunk;
        run_until([&] { return logged[0].size() == all.size(); });
    }
    ends.fds[1].reset();
    ends.fds[2].reset();
    std::string got;
    run_until([&] {
        got += available(client.read.get());
        return got.ends_with("<end>");
    });
    EXPECT_EQ(got, all + "<end>");
    EXPECT_TRUE(dropped.empty());
}

TEST_F(StdioTest, a_lossless_client_makes_the_container_wait) {
    make();
    Pipe client;
    stdio->attach(1, {.out = std::move(client.write), .lossless = true});
    fcntl(ends.fds[1].get(), F_SETFL, O_NONBLOCK);
    std::string chunk(32'768, 'x');
    size_t written = 0;
    int refused = 0;
    while (refused < 3) {
        ssize_t now = write(ends.fds[1].get(), chunk.data(), chunk.size());
        if (now > 0) written += static_cast<size_t>(now);
        refused += now < 0 ? 1 : 0;
        ASSERT_LT(written, ClientOutput::kMaxBacklog);
        settle();
    }
    size_t got = 0;
    run_until([&] {
        got += available(client.read.get()).size();
        return got == written;
    });
    EXPECT_EQ(logged[0].size(), written);
    EXPECT_TRUE(dropped.empty());
}

TEST_F(StdioTest, a_lossless_client_that_dies_lets_the_container_go_on) {
    make();
    Pipe client;
    stdio->attach(1, {.out = std::move(client.write), .lossless = true});
    fcntl(ends.fds[1].get(), F_SETFL, O_NONBLOCK);
    std::string chunk(32'768, 'x');
    for (int refused = 0; refused < 3; settle())
        refused += write(ends.fds[1].get(), chunk.data(), chunk.size()) < 0;
    client.read.reset();
    run_until([&] { return stdio->attachments() == 0; });
    settle();
    EXPECT_GT(write(ends.fds[1].get(), "more", 4), 0);
}

TEST_F(StdioTest, a_client_that_goes_away_is_forgotten_without_output) {
    make();
    Pipe client;
    stdio->attach(1, {.out = std::move(client.write)});
    client.read.reset();
    run_until([&] { return detaches == 1; });
    EXPECT_EQ(stdio->attachments(), 0U);
    EXPECT_TRUE(dropped.empty());
}

TEST_F(StdioTest, a_pipe_of_a_client_stays_blocking_for_the_client) {
    make();
    Pipe client;
    UniqueFd theirs = client.write.duplicate();
    stdio->attach(1, {.out = std::move(client.write)});
    EXPECT_EQ(fcntl(theirs.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(StdioTest, several_sources_feed_stdin) {
    make();
    Pipe a, b;
    stdio->attach(1, {.source = std::move(a.read)});
    stdio->attach(2, {.source = std::move(b.read)});
    std::string got;
    sys::write_all(a.write.get(), "first ", "a");
    run_until([&] { return (got += available(ends.fds[0].get())) == "first "; });
    sys::write_all(b.write.get(), "second", "b");
    run_until([&] { return (got += available(ends.fds[0].get())) == "first second"; });
    a.write.reset();
    b.write.reset();
    run_until([&] { return stdio->attachments() == 0; });
    EXPECT_TRUE(stdio->stdin_open());
    EXPECT_EQ(available(ends.fds[0].get()), "");
}

TEST_F(StdioTest, stdin_once_closes_after_all_was_delivered) {
    make(true);
    Pipe source;
    std::string input(200'000, 'i');
    stdio->attach(1, {.source = std::move(source.read)});
    fcntl(source.write.get(), F_SETFL, O_NONBLOCK);
    std::string got;
    size_t sent = 0;
    run_until([&] {
        if (sent < input.size()) {
            ssize_t now = write(source.write.get(), input.data() + sent, input.size() - sent);
            sent += now > 0 ? static_cast<size_t>(now) : 0;
            if (sent == input.size()) source.write.reset();
        }
        got += available(ends.fds[0].get());
        return got.ends_with("<end>");
    });
    EXPECT_EQ(got.size(), input.size() + 5);
    EXPECT_FALSE(stdio->stdin_open());
}

TEST_F(StdioTest, a_source_waits_while_the_process_does_not_read) {
    make();
    Pipe source;
    stdio->attach(1, {.source = std::move(source.read)});
    fcntl(source.write.get(), F_SETFL, O_NONBLOCK);
    std::string chunk(16'384, 'x');
    size_t sent = 0;
    for (int refused = 0; refused < 3; settle()) {
        ssize_t now = write(source.write.get(), chunk.data(), chunk.size());
        if (now > 0)
            sent += static_cast<size_t>(now);
        else
            ++refused;
        ASSERT_LT(sent, 1'000'000U);
    }
    source.write.reset();
    size_t got = 0;
    run_until([&] { return (got += available(ends.fds[0].get()).size()) == sent; });
}

TEST_F(StdioTest, hold_stdin_keeps_it_open_even_with_stdin_once) {
    make(true);
    Pipe source;
    stdio->attach(1, {.source = std::move(source.read), .hold_stdin = true});
    source.write.reset();
    run_until([&] { return stdio->attachments() == 0; });
    EXPECT_TRUE(stdio->stdin_open());
}

TEST_F(StdioTest, a_file_can_be_the_source) {
    make(true);
    stdio->attach(1, {.source = sys::memory_file("input", "from a file")});
    std::string got;
    run_until([&] { return (got += available(ends.fds[0].get())).ends_with("<end>"); });
    EXPECT_EQ(got, "from a file<end>");
}

TEST_F(StdioTest, a_process_that_closes_stdin_frees_its_sources) {
    make();
    Pipe source;
    stdio->attach(1, {.source = std::move(source.read)});
    ends.fds[0].reset();
    run_until([&] { return stdio->attachments() == 0; });
    EXPECT_FALSE(stdio->stdin_open());
}

TEST_F(StdioTest, drain_reads_what_is_left_and_ends_although_somebody_holds_the_pipe) {
    make();
    Pipe client;
    stdio->attach(1, {.out = std::move(client.write)});
    say(1, "last words");
    UniqueFd orphan = ends.fds[1].duplicate();
    ends = {};
    stdio->drain();
    run_until([&] { return is_drained; });
    EXPECT_EQ(logged[0], "last words");
    EXPECT_EQ(available(client.read.get()), "last words<end>");
    EXPECT_EQ(ended, 2);
}

TEST_F(StdioTest, drain_reads_what_waits_however_busy_the_loop_was) {
    make();
    UniqueFd event(eventfd(1, EFD_CLOEXEC));
    keep_busy(event.get());
    stdio->drain();
    say(1, "late");
    run_until([&] { return is_drained; });
    EXPECT_EQ(logged[0], "late");
}

TEST_F(StdioTest, drain_after_the_streams_ended_is_immediate) {
    make();
    ends = {};
    run_until([&] { return ended == 2; });
    stdio->drain();
    EXPECT_TRUE(is_drained);
}

TEST_F(StdioTest, a_client_that_takes_nothing_is_dropped_while_lingering_but_a_lossless_one_is_not) {
    make();
    Pipe slow, patient;
    stdio->attach(1, {.out = std::move(slow.write)});
    stdio->attach(2, {.err = std::move(patient.write), .lossless = true});
    for (int i = 0; i < 3; ++i) {
        say(1, std::string(60'000, 'x'));
        settle();
        if (i < 2) say(2, std::string(60'000, 'y'));
        settle();
    }
    ends = {};
    stdio->drain();
    run_until([&] { return is_drained; });
    ASSERT_EQ(stdio->attachments(), 2U);
    for (int i = 0; i < 40; ++i) stdio->drop_stalled();
    ASSERT_EQ(dropped.size(), 1U);
    EXPECT_EQ(dropped[0].first, 1U);
    std::string got;
    run_until([&] { return (got += available(patient.read.get())).ends_with("<end>"); });
    EXPECT_EQ(got.size(), 120'000U + 5);
    EXPECT_EQ(stdio->attachments(), 0U);
}

TEST_F(StdioTest, a_terminal_is_read_written_and_resized) {
    stdio.emplace(*loop, static_cast<StdioListener&>(*this), true);
    int master = -1, slave = -1;
    ASSERT_EQ(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    UniqueFd terminal(slave);
    stdio->use_console(UniqueFd(master));
    stdio->run();
    Pipe source;
    stdio->attach(1, {.source = std::move(source.read)});
    sys::write_all(terminal.get(), "prompt", "terminal");
    run_until([&] { return logged[0] == "prompt"; });
    sys::write_all(source.write.get(), "line\n", "source");
    std::string got;
    run_until([&] { return (got += available(terminal.get())) == "line\n"; });
    stdio->resize(132, 50);
    winsize size{};
    ASSERT_EQ(ioctl(terminal.get(), TIOCGWINSZ, &size), 0);
    EXPECT_EQ(size.ws_col, 132);
    EXPECT_EQ(size.ws_row, 50);
    source.write.reset();
    run_until([&] { return stdio->attachments() == 0; });
    settle();
    EXPECT_EQ(available(terminal.get()), "") << "the end of a source is no end of a terminal's input";
    terminal.reset();
    run_until([&] { return ended == 1; });
}

TEST_F(StdioTest, without_a_terminal_there_is_nothing_to_resize) {
    make();
    EXPECT_THROW(stdio->resize(80, 24), Error);
}

TEST_F(StdioTest, detach_closes_the_clients_descriptors_only) {
    make(true);
    Pipe out, source;
    stdio->attach(1, {.source = std::move(source.read), .out = std::move(out.write)});
    EXPECT_FALSE(stdio->detach(2));
    EXPECT_TRUE(stdio->detach(1));
    EXPECT_EQ(available(out.read.get()), "<end>");
    EXPECT_FALSE(stdio->stdin_open()) << "stdin_once: its source is gone";
    say(1, "goes on");
    run_until([&] { return logged[0] == "goes on"; });
}

}  // namespace
}  // namespace berth::shim

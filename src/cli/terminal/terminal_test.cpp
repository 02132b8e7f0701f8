// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "cli/output.h"
#include "cli/terminal/demultiplexer.h"
#include "cli/terminal/detach_keys.h"
#include "cli/terminal/live_screen.h"
#include "cli/terminal/local_file.h"
#include "cli/terminal/raw_mode.h"
#include "cli/terminal/relay.h"
#include "cli/terminal/signal_watch.h"
#include "cli/terminal/window_size.h"

namespace berth::cli {
namespace {

// --- detach keys
// ---------------------------------------------------------------------------------------------------

TEST(DetachKeys, AreParsedAsDockerDoes) {
    EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
    EXPECT_EQ(parse_detach_keys("a"), "a");
    EXPECT_EQ(parse_detach_keys("a,b,DEL"), "ab\x7f");
    EXPECT_EQ(parse_detach_keys("ctrl-@"), std::string(1, '\0'));
    EXPECT_EQ(parse_detach_keys("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_"), "\x1b\x1c\x1d\x1e\x1f");
    for (const char* bad : {"x,yy", "", ",", "ctrl-", "ctrl-A", "ctrl-1", "a,", "del"})
        EXPECT_EQ(parse_detach_keys(bad), std::nullopt) << bad;
}

struct Scanned {
    std::string passed;
    bool is_detached = false;
};

Scanned scan(std::string keys, const std::vector<std::string>& typed) {
    DetachScanner scanner(std::move(keys));
    Scanned result;
    for (const std::string& piece : typed) {
        if ((result.is_detached = scanner.scan(piece, result.passed))) break;
    }
    return result;
}

TEST(DetachKeys, AreFoundOverPieces) {
    EXPECT_TRUE(scan("\x10\x11", {"\x10\x11"}).is_detached);
    Scanned found = scan("\x10\x11", {"ls\x10", "\x11more"});
    EXPECT_TRUE(found.is_detached);
    EXPECT_EQ(found.passed, "ls");
}

TEST(DetachKeys, ABeginningThatFailsIsPassedOn) {
    EXPECT_EQ(scan("\x10\x11", {"\x10", "a"}).passed,
              "\x10"
              "a");
    EXPECT_EQ(scan("\x10\x11", {"\x10"}).passed, "");
    Scanned twice = scan("\x10\x11", {"\x10\x10\x11"});
    EXPECT_TRUE(twice.is_detached);
    EXPECT_EQ(twice.passed, "\x10");
    Scanned inner = scan("aab", {"aa", "ab"});
    EXPECT_TRUE(inner.is_detached);
    EXPECT_EQ(inner.passed, "a");
}

// --- frames
// --------------------------------------------------------------------------------------------------------

std::string frame(int stream, std::string_view text) {
    std::string bytes(8, '\0');
    bytes[0] = static_cast<char>(stream);
    bytes[6] = static_cast<char>(text.size() >> 8);
    bytes[7] = static_cast<char>(text.size());
    return bytes.append(text);
}

/// {output, errors}
std::pair<std::string, std::string> demultiplex(std::string_view bytes, size_t piece) {
    Demultiplexer frames;
    std::pair<std::string, std::string> result;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
        std::string_view data = bytes.substr(0, piece);
        while (auto found = frames.take(data))
            (found->stream == 2 ? result.second : result.first) += found->data;
    }
    return result;
}

TEST(Demultiplexer, TakesFramesInAnyPieces) {
    std::string bytes =
        frame(1, "out") + frame(2, "err") + frame(0, "in") + frame(1, "") + frame(1, std::string(300, 'x'));
    std::pair<std::string, std::string> wanted{"outin" + std::string(300, 'x'), "err"};
    for (size_t piece = 1; piece <= bytes.size(); ++piece)
        EXPECT_EQ(demultiplex(bytes, piece), wanted) << piece;
}

TEST(Demultiplexer, RefusesWhatIsNoFrame) {
    EXPECT_THROW(demultiplex("hello world", 100), Error);
    try {
        demultiplex(frame(1, "a") + frame(3, "broken"), 3);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "error from daemon in stream: broken");
    }
}

// --- terminals
// -----------------------------------------------------------------------------------------------------

struct Terminal {
    Terminal() {
        winsize size{24, 80, 0, 0};
        int ours = -1, theirs = -1;
        if (openpty(&ours, &theirs, nullptr, nullptr, &size) != 0) abort();
        controller.reset(ours);
        line.reset(theirs);
    }
    bool is_raw() const {
        termios modes{};
        tcgetattr(line.get(), &modes);
        return !(modes.c_lflag & (ICANON | ECHO | ISIG));
    }
    UniqueFd controller, line;
};

TEST(RawMode, IsRestored) {
    Terminal terminal;
    EXPECT_FALSE(terminal.is_raw());
    {
        RawMode raw(terminal.line.get());
        EXPECT_TRUE(terminal.is_raw());
    }
    EXPECT_FALSE(terminal.is_raw());
}

TEST(RawMode, NeedsATerminal) {
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_THROW(RawMode{null.get()}, Error);
}

void end_in_raw_mode(const std::function<void()>& end) {
    Terminal terminal;
    pid_t child = fork();
    if (child == 0) {
        RawMode raw(terminal.line.get());
        end();
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_FALSE(terminal.is_raw());
}

TEST(RawMode, IsRestoredByExitsAndCrashes) {
    end_in_raw_mode([] { exit(3); });
    end_in_raw_mode([] { abort(); });
    end_in_raw_mode([] { raise(SIGSEGV); });
}

TEST(WindowSize, IsTheTerminals) {
    Terminal terminal;
    EXPECT_EQ(window_size(terminal.line.get()), (WindowSize{24, 80}));
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(window_size(null.get()), WindowSize{});
}

// --- signals
// -------------------------------------------------------------------------------------------------------

TEST(Signals, HaveDockersNames) {
    EXPECT_EQ(signal_name(SIGTERM), "TERM");
    EXPECT_EQ(signal_name(SIGIO), "POLL");
    EXPECT_EQ(signal_name(SIGRTMIN), "RTMIN");
    EXPECT_EQ(signal_name(SIGRTMIN + 3), "RTMIN+3");
}

TEST(Signals, AreGivenOutOneByOneWhileWatched) {
    async::Context loop;
    {
        SignalWatch watch(loop);
        raise(SIGUSR1);
        EXPECT_EQ(loop.block_on(watch.next()), SIGUSR1);
        raise(SIGWINCH);
        EXPECT_EQ(loop.block_on(watch.next()), SIGWINCH);
    }
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    EXPECT_FALSE(sigismember(&now, SIGUSR1));
}

// --- files
// ---------------------------------------------------------------------------------------------------------

struct Pipe {
    Pipe() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) abort();
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
    UniqueFd read, write;
};

TEST(LocalFile, LeavesTheOpenFileBlocking) {
    async::Context loop;
    Pipe pipe;
    LocalFile in(loop, pipe.read.get());
    std::thread writer([&] { ASSERT_EQ(write(pipe.write.get(), "x", 1), 1); });
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(loop.block_on(in.read_some(buffer)), 1u);
    writer.join();
    EXPECT_FALSE(fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK);
    pipe.write.reset();
    EXPECT_EQ(loop.block_on(in.read_some(buffer)), 0u);
}

TEST(LocalFile, WritesMoreThanThePipeHolds) {
    async::Context loop;
    Pipe pipe;
    std::string data(1 << 20, 'x'), got;
    std::thread reader([&] {
        std::array<char, 5000> buffer;
        ssize_t count = 0;
        while ((count = read(pipe.read.get(), buffer.data(), buffer.size())) > 0)
            got.append(buffer.data(), static_cast<size_t>(count));
    });
    LocalFile out(loop, pipe.write.get());
    loop.block_on(out.write(data));
    EXPECT_FALSE(fcntl(pipe.write.get(), F_GETFL) & O_NONBLOCK);
    pipe.write.reset();
    reader.join();
    EXPECT_EQ(got, data);
}

TEST(LocalFile, TellsThatNobodyReads) {
    signal(SIGPIPE, SIG_IGN);
    async::Context loop;
    Pipe pipe;
    pipe.read.reset();
    LocalFile out(loop, pipe.write.get());
    EXPECT_THROW(loop.block_on(out.write("x")), OutputClosed);
}

TEST(LocalFile, RegularFilesAndNullNeedNoWaiting) {
    async::Context loop;
    UniqueFd file(open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
    LocalFile out(loop, file.get());
    std::string data(200'000, 'y');
    loop.block_on(out.write(data));
    EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), 200'000);
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(loop.block_on(out.read_some(buffer)), 0u);
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    LocalFile nothing(loop, null.get());
    loop.block_on(nothing.write(data));
    EXPECT_EQ(loop.block_on(nothing.read_some(buffer)), 0u);
}

// --- relay
// ---------------------------------------------------------------------------------------------------------

struct Joint {
    Joint() {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) abort();
        remote = async::adopt(loop, UniqueFd(ends[0]));
        container.reset(ends[1]);
        fcntl(ends[1], F_SETFL, 0);
    }
    RelayEnd run(bool is_multiplexed, bool has_output = true, std::string keys = {}) {
        Relay streams{.remote = remote.get(), .is_multiplexed = is_multiplexed, .in = in.read.get()};
        if (has_output) streams.out = out.write.get(), streams.err = err.write.get();
        streams.detach_keys = std::move(keys);
        return loop.block_on(relay(loop, std::move(streams)));
    }
    static std::string text(Pipe& pipe) {
        pipe.write.reset();
        std::string buffer(1000, '\0');
        buffer.resize(
            static_cast<size_t>(std::max<ssize_t>(0, read(pipe.read.get(), buffer.data(), buffer.size()))));
        return buffer;
    }

    async::Context loop;
    std::unique_ptr<async::Stream> remote;
    UniqueFd container;
    Pipe in, out, err;
};

TEST(Relay, DividesOutputAndErrors) {
    Joint joint;
    std::string frames = frame(1, "one") + frame(2, "two");
    ASSERT_EQ(write(joint.container.get(), frames.data(), frames.size()),
              static_cast<ssize_t>(frames.size()));
    joint.container.reset();
    EXPECT_EQ(joint.run(true), RelayEnd::output);
    EXPECT_EQ(Joint::text(joint.out), "one");
    EXPECT_EQ(Joint::text(joint.err), "two");
}

TEST(Relay, EndOfInputEndsOurSendingAlone) {
    Joint joint;
    ASSERT_EQ(write(joint.in.write.get(), "hello", 5), 5);
    joint.in.write.reset();
    std::thread echo([fd = joint.container.get()] {
        std::string got, buffer(100, '\0');
        ssize_t count = 0;
        while ((count = read(fd, buffer.data(), buffer.size())) > 0)
            got.append(buffer, 0, static_cast<size_t>(count));
        ASSERT_EQ(write(fd, got.data(), got.size()), static_cast<ssize_t>(got.size()));
        shutdown(fd, SHUT_WR);
    });
    EXPECT_EQ(joint.run(false), RelayEnd::output);
    echo.join();
    EXPECT_EQ(Joint::text(joint.out), "hello");
}

TEST(Relay, WithoutOutputEndsWithInput) {
    Joint joint;
    joint.in.write.reset();
    EXPECT_EQ(joint.run(true, false), RelayEnd::input);
}

TEST(Relay, EndsAtTheDetachKeys) {
    Joint joint;
    ASSERT_EQ(write(joint.in.write.get(), "ab\x10\x11", 4), 4);
    EXPECT_EQ(joint.run(false, true, "\x10\x11"), RelayEnd::detached);
    std::array<char, 10> buffer;
    EXPECT_EQ(read(joint.container.get(), buffer.data(), buffer.size()), 2);
}

TEST(Relay, ThrowsWhereNobodyReadsTheOutput) {
    signal(SIGPIPE, SIG_IGN);
    Joint joint;
    joint.out.read.reset();
    ASSERT_EQ(write(joint.container.get(), "x", 1), 1);
    EXPECT_THROW(joint.run(false), OutputClosed);
}

// --- live views
// ---------------------------------------------------------------------------------------------------

TEST(LiveScreen, DrawsOverTheFrameBefore) {
    EXPECT_EQ(screen_frame("a\nbc\n", {24, 80}), "\033[Ha\033[K\r\nbc\033[K\r\n\033[J");
    EXPECT_EQ(screen_frame("", {24, 80}), "\033[H\033[J");
    EXPECT_EQ(screen_frame("a\n\nb", {0, 0}), "\033[Ha\033[K\r\n\033[K\r\nb\033[K\r\n\033[J");
}

TEST(LiveScreen, StaysWithinTheWindow) {
    EXPECT_EQ(screen_frame("müller\n", {24, 3}), "\033[Hmül\r\n\033[J");
    EXPECT_EQ(screen_frame("1\n2\n3\n", {4, 80}), "\033[H1\033[K\r\n2\033[K\r\n3\033[K\r\n\033[J");
    EXPECT_EQ(screen_frame("1\n2\n3\n4\n", {4, 80}),
              "\033[H1\033[K\r\n2\033[K\r\n… and 2 more\033[K\r\n\033[J");
}

}  // namespace
}  // namespace berth::cli

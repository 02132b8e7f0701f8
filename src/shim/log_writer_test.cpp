// SPDX-License-Identifier: Apache-2.0
#include "shim/log_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include "base/error.h"
#include "base/strings.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

constexpr int64_t kNoon = 1'709'294'400'000'000'000;
constexpr std::string_view kStamp = R"("time":"2024-03-01T12:00:00Z"})";

class LogWriterTest : public testing::Test {
  protected:
    LogWriterTest() {
        char name[] = "/tmp/berth-log-XXXXXX";
        folder_ = ::mkdtemp(name);
        options_.path = folder_ + "/c-json.log";
    }
    ~LogWriterTest() override { sys::remove_tree_at(AT_FDCWD, folder_); }

    std::string log() { return sys::read_file(options_.path); }
    static std::string record(std::string_view text, std::string_view stream = "stdout") {
        return fmt::format("{{\"log\":\"{}\",\"stream\":\"{}\",{}\n", text, stream, kStamp);
    }

    std::string folder_;
    LogOptions options_;
};

TEST_F(LogWriterTest, WritesDockersFormat) {
    LogWriter writer(options_);
    writer.append(Stream::out, "hello\n", kNoon + 123'456'789);
    writer.append(Stream::err, "oh \"no\"\n", kNoon);
    EXPECT_EQ(log(),
              "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2024-03-01T12:00:00.123456789Z\"}\n"
              "{\"log\":\"oh \\\"no\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2024-03-01T12:00:00Z\"}\n");
    struct stat status{};
    ASSERT_EQ(::stat(options_.path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST_F(LogWriterTest, WritesAttributes) {
    options_.attrs = R"({"tag":"web"})";
    LogWriter writer(options_);
    writer.append(Stream::out, "x\n", kNoon);
    EXPECT_EQ(
        log(),
        fmt::format("{{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{{\"tag\":\"web\"}},{}\n", kStamp));
}

TEST_F(LogWriterTest, KeepsUnfinishedLinesOfEachStream) {
    LogWriter writer(options_);
    writer.append(Stream::out, "a", kNoon);
    writer.append(Stream::err, "x", kNoon);
    writer.append(Stream::out, "b\nc", kNoon);
    EXPECT_EQ(log(), record(R"(ab\n)"));
    writer.append(Stream::err, "y\n", kNoon);
    EXPECT_EQ(log(), record(R"(ab\n)") + record(R"(xy\n)", "stderr"));
    writer.flush(Stream::err, kNoon);
    writer.flush(Stream::out, kNoon);
    writer.flush(Stream::out, kNoon);
    EXPECT_EQ(log(), record(R"(ab\n)") + record(R"(xy\n)", "stderr") + record("c"));
}

TEST_F(LogWriterTest, EmptyLinesCarriageReturnsAndNul) {
    LogWriter writer(options_);
    writer.append(Stream::out, std::string_view("\n\r\na\0b\r\n", 8), kNoon);
    EXPECT_EQ(log(), record(R"(\n)") + record(R"(\r\n)") + record(R"(a\u0000b\r\n)"));
}

TEST_F(LogWriterTest, AnySplitGivesTheSameRecords) {
    std::string text = "first\nä€😀 <tag>\r\n\n\xff\xfe broken\nlast";
    std::string whole;
    for (size_t i = 0; i <= text.size(); ++i) {
        for (size_t j = i; j <= text.size(); ++j) {
            ::unlink(options_.path.c_str());
            LogWriter writer(options_);
            writer.append(Stream::out, std::string_view(text).substr(0, i), kNoon);
            writer.append(Stream::out, std::string_view(text).substr(i, j - i), kNoon);
            writer.append(Stream::out, std::string_view(text).substr(j), kNoon);
            writer.flush(Stream::out, kNoon);
            if (whole.empty()) whole = log();
            ASSERT_EQ(log(), whole) << i << ' ' << j;
        }
    }
    EXPECT_EQ(whole, record(R"(first\n)") + record(R"(ä€😀 \u003ctag\u003e\r\n)") + record(R"(\n)") +
                         record(R"(\ufffd\ufffd broken\n)") + record("last"));
}

TEST_F(LogWriterTest, LongLinesBecomeSeveralRecords) {
    std::string line(2 * kMaxRecordText + 5, 'x');
    std::string block = line.substr(0, kMaxRecordText);
    std::string expected = record(block) + record(block) + record(R"(xxxxx\n)") + record(R"(y\n)");
    for (size_t step : {size_t{1}, size_t{1000}, kMaxRecordText, kMaxRecordText + 1, line.size() + 3}) {
        ::unlink(options_.path.c_str());
        LogWriter writer(options_);
        std::string text = line + "\ny\n";
        for (size_t i = 0; i < text.size(); i += step)
            writer.append(Stream::out, std::string_view(text).substr(i, step), kNoon);
        ASSERT_EQ(log(), expected) << step;
    }
}

TEST_F(LogWriterTest, LineOfExactlyOneRecordEndsWithAnEmptyOne) {
    std::string block(kMaxRecordText, 'x');
    LogWriter writer(options_);
    writer.append(Stream::out, block + "\n", kNoon);
    EXPECT_EQ(log(), record(block) + record(R"(\n)"));
}

TEST_F(LogWriterTest, PartsOfALineCarryTheTimeOfTheFirst) {
    LogWriter writer(options_);
    std::string block(kMaxRecordText, 'x');
    writer.append(Stream::out, block, kNoon);
    writer.append(Stream::out, "end\nnext\n", kNoon + 5);
    EXPECT_EQ(
        log(),
        record(block) + record(R"(end\n)") +
            "{\"log\":\"next\\n\",\"stream\":\"stdout\",\"time\":\"2024-03-01T12:00:00.000000005Z\"}\n");
}

TEST_F(LogWriterTest, LongLinesAreNotCutWithinACharacter) {
    std::string start(kMaxRecordText - 2, 'x');
    for (size_t cut : {size_t{0}, size_t{1}, size_t{2}, size_t{3}}) {
        ::unlink(options_.path.c_str());
        LogWriter writer(options_);
        std::string text = start + "€z\n";
        writer.append(Stream::out, std::string_view(text).substr(0, start.size() + cut), kNoon);
        writer.append(Stream::out, std::string_view(text).substr(start.size() + cut), kNoon);
        ASSERT_EQ(log(), record(start) + record(R"(€z\n)")) << cut;
    }
}

TEST_F(LogWriterTest, WorstCaseText) {
    LogWriter writer(options_);
    std::string text(5 * kMaxRecordText, '\x01');
    writer.append(Stream::out, text, kNoon);
    std::string block;
    for (size_t i = 0; i < kMaxRecordText; ++i) block += "\\u0001";
    std::string expected;
    for (int i = 0; i < 5; ++i) expected += record(block);
    EXPECT_EQ(log(), expected);
}

TEST_F(LogWriterTest, IdleKeepsTheUnfinishedLine) {
    LogWriter writer(options_);
    writer.append(Stream::out, "be", kNoon);
    writer.idle();
    writer.append(Stream::out, "fore\n", kNoon);
    writer.idle();
    EXPECT_EQ(log(), record(R"(before\n)"));
}

TEST_F(LogWriterTest, CutsOffHalfARecordAtItsStart) {
    UniqueFd file = sys::open_file(options_.path, O_WRONLY | O_CREAT, 0640);
    sys::write_all(file.get(), record(R"(whole\n)") + R"({"log":"ha)" + std::string(3000, 'l'), "log");
    LogWriter writer(options_);
    writer.append(Stream::out, "next\n", kNoon);
    EXPECT_EQ(log(), record(R"(whole\n)") + record(R"(next\n)"));
}

TEST_F(LogWriterTest, ADeletedOrMovedFileIsMadeAnew) {
    LogWriter writer(options_);
    writer.append(Stream::out, "one\n", kNoon);
    ASSERT_EQ(::unlink(options_.path.c_str()), 0);
    writer.append(Stream::out, "two\n", kNoon + 1'000'000'000);
    EXPECT_NE(log().find("two"), std::string::npos);
    ASSERT_EQ(::rename(options_.path.c_str(), (options_.path + ".moved").c_str()), 0);
    writer.reopen();
    writer.append(Stream::out, "three\n", kNoon + 1'000'000'001);
    EXPECT_EQ(log().find("two"), std::string::npos);
    EXPECT_NE(log().find("three"), std::string::npos);
}

TEST_F(LogWriterTest, OpensBelowADirectory) {
    UniqueFd folder = sys::open_file(folder_, O_RDONLY | O_DIRECTORY);
    options_.directory = folder.get();
    options_.path = "inner.log";
    std::unique_ptr<LogSink> sink = open_log(options_);
    folder.reset();
    sink->append(Stream::out, "x\n", kNoon);
    EXPECT_EQ(sys::read_file(folder_ + "/inner.log"), record(R"(x\n)"));
}

TEST_F(LogWriterTest, RefusesWhatIsNoFile) {
    options_.path = folder_ + "/absent/x.log";
    EXPECT_THROW(LogWriter{options_}, Error);
    options_.path = folder_ + "/";
    EXPECT_THROW(LogWriter{options_}, Error);
}

TEST_F(LogWriterTest, NullSinkKeepsNothing) {
    options_.format = LogFormat::none;
    std::unique_ptr<LogSink> sink = open_log(options_);
    sink->append(Stream::out, "x\n", kNoon);
    EXPECT_FALSE(sys::exists(options_.path));
}

/// Runs `body` in a child of its own mount namespace, with a tmpfs of `size` at the test's folder. The body
/// reports by throwing.
template <typename Body>
void on_small_disk(const std::string& folder, const char* size, Body&& body) {
    pid_t child = ::fork();
    if (child == 0) {
        int code = 1;
        try {
            sys::check(::unshare(CLONE_NEWNS), "unshare");
            sys::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
            sys::check(::mount("tmpfs", folder.c_str(), "tmpfs", 0, size), "mount");
            body();
            code = 0;
        } catch (...) {
            fmt::print(stderr, "{}\n", current_exception_message());
        }
        ::fflush(nullptr);
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
}

void expect(bool holds, std::string_view what) {
    if (!holds) throw Error(ErrorKind::internal, std::string(what));
}

/// All lines whole; how many there are.
uint64_t count_whole(std::string_view log) {
    uint64_t count = 0;
    while (!log.empty()) {
        size_t end = log.find('\n');
        expect(end != std::string_view::npos, "ends with half a record");
        std::string_view line = log.substr(0, end);
        expect(line.starts_with(R"({"log":")") && line.ends_with(kStamp), "half a record");
        log.remove_prefix(end + 1);
        ++count;
    }
    return count;
}

TEST_F(LogWriterTest, AFullDiskDropsAndCounts) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
    on_small_disk(folder_, "size=64k", [&] {
        LogWriter writer(options_);
        std::string chunk;
        for (int i = 0; i < 100; ++i) chunk += fmt::format("line {} {}\n", i, std::string(150, 'x'));
        int64_t time = kNoon;
        for (int i = 0; i < 20; ++i) writer.append(Stream::out, chunk, time);
        expect(writer.dropped() > 0, "nothing was dropped");
        expect(writer.last_error() == ENOSPC, "no ENOSPC");
        uint64_t kept = count_whole(log());
        expect(kept > 0, "nothing was kept");
        expect(kept + writer.dropped() == 2000, "records are missing in the count");

        // The line that is unfinished now is not lost: there is room when it ends.
        writer.append(Stream::out, "unfini", time);
        expect(::truncate(options_.path.c_str(), 0) == 0, "truncate");
        uint64_t dropped = writer.dropped();
        time += 200'000'000;
        writer.append(Stream::out, "shed\nafter\n", time);
        expect(writer.dropped() == dropped, "dropped though there is room");
        expect(log().find(R"("unfinished\n")") != std::string::npos, "unfinished line");
        expect(log().find(R"("after\n")") != std::string::npos, "line after");
    });
}

TEST_F(LogWriterTest, AFullDiskNeverLeavesHalfARecord) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
    on_small_disk(folder_, "size=32k", [&] {
        std::mt19937 random(7);
        for (int round = 0; round < 30; ++round) {
            ::unlink(options_.path.c_str());
            LogWriter writer(options_);
            uint64_t lines = 0;
            for (int i = 0; i < 40; ++i) {
                std::string chunk;
                for (unsigned n = random() % 20; n > 0; --n, ++lines)
                    chunk += std::string(random() % 2000, 'y') + '\n';
                // Each in its own try: the pause after a failure is over.
                writer.append(Stream::out, chunk, kNoon + i * 1'000'000'000LL);
            }
            std::string content = log();
            for (std::string_view line : split(std::string_view(content).substr(0, content.size() - 1), '\n'))
                expect(line.starts_with(R"({"log":"y)") || line.starts_with(R"({"log":"\n)"),
                       "start of a record");
            uint64_t kept = static_cast<uint64_t>(std::count(content.begin(), content.end(), '\n'));
            expect(content.ends_with("\"}\n"), "end of a record");
            expect(kept + writer.dropped() == lines, "count");
        }
    });
}

TEST_F(LogWriterTest, AFullDiskStillRotates) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a tmpfs";
    on_small_disk(folder_, "size=64k", [&] {
        options_.max_size = 16 * 1024;
        options_.max_file = 3;
        LogWriter writer(options_);
        for (int i = 0; i < 1000; ++i)
            writer.append(Stream::out, fmt::format("{} {}\n", i, std::string(300, 'z')),
                          kNoon + i * 200'000'000LL);
        expect(writer.dropped() == 0, "rotation frees the room that it needs");
        expect(log().find("\"999 ") != std::string::npos, "newest line");
    });
}

}  // namespace
}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "shim/log_writer.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

constexpr int64_t kNoon = 1'709'294'400'000'000'000;

std::string gunzip(const std::string& path) {
    std::string text;
    gzFile file = ::gzopen(path.c_str(), "rb");
    char block[8192];
    int got = 0;
    while ((got = ::gzread(file, block, sizeof block)) > 0) text.append(block, static_cast<size_t>(got));
    EXPECT_EQ(got, 0) << path;
    ::gzclose(file);
    return text;
}

class LogRotationTest : public testing::Test {
  protected:
    LogRotationTest() {
        char name[] = "/tmp/berth-rotation-XXXXXX";
        folder_ = ::mkdtemp(name);
        options_.path = folder_ + "/log";
    }
    ~LogRotationTest() override { sys::remove_tree_at(AT_FDCWD, folder_); }

    std::vector<std::string> names() {
        std::vector<std::string> result =
            sys::list_dir(sys::open_file(folder_, O_RDONLY | O_DIRECTORY).get());
        std::sort(result.begin(), result.end());
        return result;
    }
    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    /// As a reader takes it: name, else name.gz.
    std::string content(const std::string& name) const {
        if (sys::exists(path(name))) return sys::read_file(path(name));
        return sys::exists(path(name + ".gz")) ? gunzip(path(name + ".gz")) : "";
    }
    std::string all() const {
        std::string text;
        for (unsigned i = options_.max_file - 1; i > 0; --i) text += content(fmt::format("log.{}", i));
        return text + content("log");
    }
    /// The numbers that the records' lines consist of.
    std::vector<int> numbers() const {
        std::vector<int> result;
        std::string text = all();
        // A write that a SIGKILL cuts short at a page's border leaves half a record, which the next writer
        // cuts off.
        text.resize(text.rfind('\n') + 1);
        for (size_t at = 0; (at = text.find(R"({"log":")", at)) != std::string::npos; ++at)
            result.push_back(std::atoi(text.c_str() + at + 8));
        return result;
    }
    void expect_last_numbers(int end) const {
        std::vector<int> found = numbers();
        ASSERT_FALSE(found.empty());
        EXPECT_EQ(found.back(), end - 1);
        for (size_t i = 1; i < found.size(); ++i) ASSERT_EQ(found[i], found[i - 1] + 1);
    }

    std::string folder_;
    LogOptions options_;
};

TEST_F(LogRotationTest, NextRecordAfterTheLimitGoesToANewFile) {
    options_.max_size = 200;
    options_.max_file = 3;
    LogWriter writer(options_);
    // 71 bytes each: the third one passes the limit, the fourth is in the next file. All in one chunk.
    std::string chunk;
    for (int i = 0; i < 8; ++i) chunk += fmt::format("{:06}\n", i);
    writer.append(Stream::out, chunk, kNoon);
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1", "log.2"}));
    auto lines = [&](const std::string& name) {
        return std::ranges::count(sys::read_file(path(name)), '\n');
    };
    EXPECT_EQ(lines("log.2"), 3);
    EXPECT_EQ(lines("log.1"), 3);
    EXPECT_EQ(lines("log"), 2);
    EXPECT_NE(sys::read_file(path("log.2")).find("\"000000\\n"), std::string::npos);
    expect_last_numbers(8);
}

TEST_F(LogRotationTest, KeepsTheNewestFiles) {
    options_.max_size = 1000;
    options_.max_file = 4;
    LogWriter writer(options_);
    std::mt19937 random(3);
    for (int i = 0; i < 5000;) {
        std::string chunk;
        for (unsigned n = random() % 40; n > 0 && i < 5000; --n, ++i) chunk += fmt::format("{}\n", i);
        writer.append(Stream::out, chunk, kNoon);
    }
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1", "log.2", "log.3"}));
    for (const char* name : {"log.1", "log.2", "log.3"}) {
        EXPECT_GE(sys::read_file(path(name)).size(), 1000U);
        EXPECT_LT(sys::read_file(path(name)).size(), 1100U);
    }
    expect_last_numbers(5000);
}

TEST_F(LogRotationTest, OneFileIsEmptiedInPlace) {
    options_.max_size = 500;
    LogWriter writer(options_);
    struct stat before{}, after{};
    ASSERT_EQ(::stat(options_.path.c_str(), &before), 0);
    for (int i = 0; i < 100; ++i) writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
    ASSERT_EQ(::stat(options_.path.c_str(), &after), 0);
    EXPECT_EQ(names(), std::vector<std::string>{"log"});
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_LT(after.st_size, 600);
    expect_last_numbers(100);
}

TEST_F(LogRotationTest, WithoutALimitThereIsOneFile) {
    options_.max_file = 3;
    LogWriter writer(options_);
    for (int i = 0; i < 1000; ++i) writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
    EXPECT_EQ(names(), std::vector<std::string>{"log"});
}

TEST_F(LogRotationTest, ASecondWriterGoesOnWhereTheFirstStopped) {
    options_.max_size = 1000;
    options_.max_file = 100;
    for (int i = 0; i < 300; ++i) LogWriter(options_).append(Stream::out, fmt::format("{}\n", i), kNoon);
    EXPECT_EQ(numbers().size(), 300U);
    expect_last_numbers(300);
    EXPECT_GT(names().size(), 15U);
}

TEST_F(LogRotationTest, CompressedFilesHoldTheSame) {
    options_.max_size = 20'000;
    options_.max_file = 4;
    options_.compress = true;
    LogWriter writer(options_);
    for (int i = 0; i < 2000; ++i) {
        writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
        if (i % 100 == 0) writer.drain();
    }
    writer.drain();
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz", "log.2.gz", "log.3.gz"}));
    expect_last_numbers(2000);
    EXPECT_GE(gunzip(path("log.1.gz")).size(), 20'000U);
    // Docker's reader looks for this in the header's extra field.
    std::string raw = sys::read_file(path("log.1.gz"));
    EXPECT_NE(raw.find(R"({"lastTime":"2024-03-01T12:00:00Z"})"), std::string::npos);
    EXPECT_EQ(std::system(("gzip -t " + path("log.1.gz")).c_str()), 0);
}

TEST_F(LogRotationTest, TheOwnerTellsOfTheCompressorsEnd) {
    options_.max_size = 1000;
    options_.max_file = 3;
    options_.compress = true;
    LogWriter writer(options_);
    for (int i = 0; i < 20; ++i) writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
    int status = 0;
    pid_t pid = ::waitpid(-1, &status, 0);
    ASSERT_GT(pid, 0);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(writer.child_exited(pid + 1));
    EXPECT_TRUE(writer.child_exited(pid));
    EXPECT_FALSE(writer.child_exited(pid));
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz"}));
}

TEST_F(LogRotationTest, RotationDoesNotWaitForTheCompressor) {
    // Far faster than deflate: files move on while a child works on one, and the last one falls off under its
    // hands.
    options_.max_size = 300'000;
    options_.max_file = 4;
    options_.compress = true;
    LogWriter writer(options_);
    int next = 0;
    for (int round = 0; round < 400; ++round) {
        std::string chunk;
        for (int n = 0; n < 200; ++n) chunk += fmt::format("{} {}\n", next++, "some text that compresses");
        writer.append(Stream::out, chunk, kNoon);
        pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
        if (pid > 0) EXPECT_TRUE(writer.child_exited(pid));
    }
    expect_last_numbers(next);
    writer.drain();
    expect_last_numbers(next);
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz", "log.2.gz", "log.3.gz"}));
}

class LogKillTest : public LogRotationTest {
  protected:
    LogKillTest() {
        options_.max_size = 4'000'000;
        options_.max_file = 3;
        options_.compress = true;
    }
    /// Makes a log.1 that nobody compresses in less than minutes, and almost nothing on disk.
    void make_endless() {
        UniqueFd file = sys::open_file(path("log.1"), O_WRONLY | O_CREAT, 0640);
        ASSERT_EQ(::ftruncate(file.get(), kEndless), 0);
    }
    off_t size_of(const std::string& name) const {
        struct stat status{};
        return ::stat(path(name).c_str(), &status) == 0 ? status.st_size : -1;
    }
    pid_t compressor() {
        std::string children = sys::read_file(fmt::format("/proc/self/task/{}/children", ::getpid()));
        return parse_number<pid_t>(trim(children)).value_or(-1);
    }
    static constexpr off_t kEndless = off_t{1} << 40;
};

TEST_F(LogKillTest, TheCompressorHoldsNoDescriptorsOfItsParent) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    UniqueFd read(fds[0]), write(fds[1]);
    make_endless();
    LogWriter writer(options_);
    ASSERT_GT(compressor(), 0);
    write.reset();
    char byte;
    EXPECT_EQ(::read(read.get(), &byte, 1), 0) << "the child has the pipe's other end";
}

TEST_F(LogKillTest, AKilledCompressorLosesNothing) {
    make_endless();
    LogWriter writer(options_);
    pid_t child = compressor();
    ASSERT_GT(child, 0);
    EXPECT_EQ(names().size(), 3U) << "the child's temporary file";
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_TRUE(writer.child_exited(child));
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1"}));
    EXPECT_EQ(size_of("log.1"), kEndless);
    EXPECT_EQ(compressor(), -1) << "no attempt without end";

    // The next rotation tries again.
    ASSERT_EQ(::truncate(path("log.1").c_str(), 5000), 0);
    for (int i = 0; !sys::exists(path("log.2")); ++i)
        writer.append(Stream::out, fmt::format("{} {}\n", i, std::string(10'000, 'x')), kNoon);
    writer.drain();
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz", "log.2.gz"}));
    EXPECT_EQ(gunzip(path("log.2.gz")), std::string(5000, '\0'));
}

TEST_F(LogKillTest, RotationStopsACompressorWhoseFileFallsOff) {
    make_endless();
    LogWriter writer(options_);
    for (int i = 0; size_of("log.1") == kEndless || size_of("log.2") == kEndless; ++i)
        writer.append(Stream::out, fmt::format("{} {}\n", i, std::string(10'000, 'x')), kNoon);
    writer.drain();
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz", "log.2.gz"}));
}

TEST_F(LogKillTest, TheEndOfTheWriterStopsTheCompressor) {
    make_endless();
    std::make_unique<LogWriter>(options_).reset();
    EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1"}));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(LogKillTest, RestartTidiesUpAfterAKillAtAnyStep) {
    {
        LogOptions plain = options_;
        plain.compress = false;
        LogWriter writer(plain);
        for (int i = 0; !sys::exists(path("log.1")); ++i)
            writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
    }
    std::string whole = all();
    struct stat status{};
    ASSERT_EQ(::stat(path("log.1").c_str(), &status), 0);
    std::string gz = path("log.1.gz");
    ASSERT_EQ(std::system(fmt::format("gzip -k {}", path("log.1")).c_str()), 0);
    std::string packed = sys::read_file(gz);
    ::unlink(gz.c_str());
    auto put = [&](const std::string& name, std::string_view data) {
        sys::write_all(sys::open_file(path(name), O_WRONLY | O_CREAT, 0640).get(), data, name);
    };
    auto restart = [&](const char* step) {
        SCOPED_TRACE(step);
        LogWriter writer(options_);
        EXPECT_EQ(all(), whole);
        writer.drain();
        EXPECT_EQ(names(), (std::vector<std::string>{"log", "log.1.gz"}));
        EXPECT_EQ(all(), whole);
        // For the next step: the uncompressed file, with the inode that the names below speak of.
        put("log.1", gunzip(gz));
        ::unlink(gz.c_str());
        ASSERT_EQ(::stat(path("log.1").c_str(), &status), 0);
    };
    put(fmt::format(".log.{}.tmp", status.st_ino), std::string_view(packed).substr(0, packed.size() / 2));
    restart("while deflating");
    put(fmt::format(".log.{}.gz", status.st_ino), packed);
    restart("after deflating");
    put("log.1.gz", packed);
    restart("before the uncompressed file was removed");
    put(".log.new", "");
    restart("while rotating");
    put(".log.999999999999.gz", packed);
    restart("a result whose source is gone");
}

TEST_F(LogKillTest, AKilledShimLosesNothing) {
    // kill -9 of the writer's process at random moments; each next one goes on. What it acknowledged is
    // there.
    options_.max_size = 20'000;
    options_.max_file = 1000;
    options_.compress = true;
    std::mt19937 random(5);
    int next = 0;
    for (int round = 0; round < 30; ++round) {
        int fds[2];
        ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
        UniqueFd read(fds[0]), write(fds[1]);
        pid_t child = ::fork();
        if (child == 0) {
            LogWriter writer(options_);
            for (int i = next;; ++i) {
                writer.append(Stream::out, fmt::format("{}\n", i), kNoon);
                if (::write(write.get(), &i, sizeof i) != sizeof i) ::_exit(1);
                pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
                if (pid > 0) writer.child_exited(pid);
            }
        }
        write.reset();
        int last = -1, wanted = next + static_cast<int>(random() % 1000);
        while (last < wanted && ::read(read.get(), &last, sizeof last) == sizeof last) {
        }
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        while (::read(read.get(), &last, sizeof last) == sizeof last) {
        }
        std::vector<int> found = numbers();
        ASSERT_GE(found.back(), last);
        ASSERT_EQ(found.front(), 0);
        ASSERT_EQ(found.size(), static_cast<size_t>(found.back()) + 1);
        next = found.back() + 1;
    }
    LogWriter writer(options_);
    writer.drain();
    expect_last_numbers(next);
    for (const std::string& name : names()) EXPECT_TRUE(name == "log" || name.ends_with(".gz")) << name;
}

}  // namespace
}  // namespace berth::shim

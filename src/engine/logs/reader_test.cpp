// SPDX-License-Identifier: Apache-2.0
#include "engine/logs/reader.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/logs/log_files.h"
#include "engine/logs/log_fixture.h"
#include "engine/logs/record.h"
#include "engine/logs/record_writer.h"
#include "engine/logs/time_seek.h"

namespace berth::engine {
namespace {

using shim::LogFormat;
using shim::Stream;

class ReaderTest : public LogTest, public testing::WithParamInterface<LogFormat> {
  protected:
    /// `steps`: the clock is set back now and then.
    void write_random(int records, bool steps) {
        int64_t time = kNoon;
        for (int i = 0; i < records; ++i) {
            time += pick(0, 3) == 0 ? pick64(0, 3 * kSecond) : pick64(0, 1000);
            if (steps && pick(0, records / 6) == 0) time -= pick64(0, 600 * kSecond);
            put(pick(0, 2) == 0 ? Stream::err : Stream::out, time, random_line());
        }
    }
    LogReadOptions random_options() {
        LogReadOptions options;
        options.out = pick(0, 4) != 0;
        options.err = pick(0, 4) != 0;
        auto some_time = [&] {
            const ModelRecord& record =
                model_[static_cast<size_t>(pick(0, static_cast<int>(model_.size()) - 1))];
            return record.time_ns + pick(-1, 1);
        };
        if (pick(0, 1) == 0) options.since_ns = some_time();
        if (pick(0, 1) == 0) options.until_ns = some_time();
        if (pick(0, 2) == 0)
            options.tail = static_cast<uint64_t>(pick(0, static_cast<int>(model_.size()) + 10));
        options.timestamps = pick(0, 1) == 0;
        options.details = pick(0, 4) == 0;
        options.framed = pick(0, 4) != 0;
        return options;
    }
    void compare_with_model(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            LogReadOptions options = random_options();
            ASSERT_EQ(read(options), expected(options))
                << "since " << options.since_ns << " until " << options.until_ns << " tail "
                << (options.tail ? std::to_string(*options.tail) : "-") << " round " << round;
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Formats, ReaderTest, testing::Values(LogFormat::json_file, LogFormat::local),
                         [](const auto& info) {
                             return info.param == LogFormat::local ? "local" : "json_file";
                         });

TEST_P(ReaderTest, NoLogIsEmpty) {
    location_.format = GetParam();
    EXPECT_EQ(read({}), "");
    location_.path = folder_ + "/absent/log";
    EXPECT_EQ(read({}), "");
}

TEST_P(ReaderTest, OneFileAsTheModel) {
    open(GetParam());
    write_random(3000, false);
    compare_with_model(60);
}

TEST_P(ReaderTest, RotatedAndCompressedAsTheModel) {
    options_.max_size = 40'000;
    options_.max_file = 100;
    options_.compress = true;
    open(GetParam());
    write_random(4000, false);
    sink_->drain();
    EXPECT_TRUE(sys::exists(location_.path + ".3.gz"));
    compare_with_model(60);
}

TEST_P(ReaderTest, ClockSetBackAsTheModel) {
    options_.max_size = 300'000;
    options_.max_file = 100;
    open(GetParam());
    write_random(6000, true);
    compare_with_model(60);
    options_.compress = true;
    open(GetParam());
    sink_->drain();
    EXPECT_TRUE(sys::exists(location_.path + ".1.gz"));
    compare_with_model(40);
}

TEST_P(ReaderTest, StepsThatCannotBeNotedKeepTheOrder) {
    open(GetParam());
    put(Stream::out, kNoon, "first");
    for (int i = 0; i < 100; ++i) put(Stream::out, kNoon - (i + 1) * 2 * kSecond, "back");
    LogReadOptions options;
    options.since_ns = kNoon - 1000 * kSecond;
    options.framed = false;
    std::string text = read(options);
    EXPECT_EQ(text.size(), 6 + 100 * 5);
    // 64 steps are noted, what follows has the time of the last.
    options.since_ns = kNoon - 128 * kSecond;
    EXPECT_EQ(read(options), text);
    options.since_ns = kNoon - 127 * kSecond;
    EXPECT_EQ(read(options).size(), 6 + 63 * 5);
}

TEST_P(ReaderTest, SmallBatches) {
    open(GetParam());
    write_random(200, false);
    LogReadOptions options;
    LogReader reader(location_, options);
    EXPECT_EQ(read_all(reader, 1), expected(options));
}

TEST_P(ReaderTest, WhatComesLaterIsNotRead) {
    options_.max_size = 20'000;
    options_.max_file = 4;
    options_.compress = true;
    open(GetParam());
    for (int i = 0; i < 300; ++i) put(Stream::out, kNoon + i, "line " + std::to_string(i));
    sink_->drain();
    std::string before = read({});
    LogReader reader(location_, {});
    LogBatch batch(100);
    ASSERT_TRUE(reader.read(batch));
    std::string text(batch.view());
    // All that the reader has open is moved, compressed, removed.
    for (int i = 0; i < 3000; ++i) put(Stream::out, kNoon + i, "later");
    sink_->drain();
    text += read_all(reader);
    EXPECT_EQ(text, before);
}

TEST_P(ReaderTest, ALongLineInParts) {
    open(GetParam());
    std::string line(50'000, 'a');
    sink_->append(Stream::out, line + "\n", kNoon);
    EXPECT_EQ(read_text(), line + "\n");
    LogReadOptions options;
    options.framed = false;
    options.tail = 1;
    // As dockerd: the last record, not the last line.
    EXPECT_EQ(read(options), std::string(50'000 - 3 * 16384, 'a') + "\n");
    sink_->append(Stream::err, "no end", kNoon);
    sink_->flush(Stream::err, kNoon);
    EXPECT_EQ(read_text(), line + "\nno end");
}

TEST_P(ReaderTest, AnUnfinishedRecordIsLeftOut) {
    open(GetParam());
    put(Stream::out, kNoon, "one");
    put(Stream::out, kNoon, "two");
    std::string content = sys::read_file(location_.path);
    for (size_t cut = 1; cut < content.size() / 2; ++cut) {
        ASSERT_EQ(::truncate(location_.path.c_str(), static_cast<off_t>(content.size() - cut)), 0);
        ASSERT_EQ(read_text(), "one\n");
        LogReadOptions options;
        options.framed = false;
        options.tail = 1;
        ASSERT_EQ(read(options), "one\n");
    }
}

TEST_P(ReaderTest, HolesAreSkipped) {
    open(GetParam());
    put(Stream::out, kNoon, "one");
    put(Stream::out, kNoon, "two");
    std::string content = sys::read_file(location_.path);
    std::string second = content.substr(content.size() / 2);
    std::string zeros(4096, '\0');
    UniqueFd file = sys::open_file(location_.path, O_WRONLY | O_TRUNC);
    sys::write_all(file.get(), zeros + content + zeros + second + zeros + "\n\n" + second + zeros, "log");
    EXPECT_EQ(read_text(), "one\ntwo\ntwo\ntwo\n");
}

/// Random damage: every record whose line was not touched still comes, in order, and nothing fails.
TEST_P(ReaderTest, RandomDamage) {
    open(GetParam());
    for (int i = 0; i < 400; ++i)
        put(Stream::out, kNoon + i * kSecond, "<" + std::to_string(i) + ">" + random_line());
    std::string content = sys::read_file(location_.path);
    std::vector<std::string_view> lines = split(content, '\n');
    lines.pop_back();
    ASSERT_EQ(lines.size(), 400U);
    for (int round = 0; round < 60; ++round) {
        std::string damaged;
        std::vector<int> whole;
        for (size_t i = 0; i < lines.size(); ++i) {
            std::string line(lines[i]);
            if (pick(0, 9) != 0) {
                whole.push_back(static_cast<int>(i));
            } else if (pick(0, 3) == 0) {
                line.resize(static_cast<size_t>(pick(0, static_cast<int>(line.size()))));
            } else {
                for (int n = pick(1, 6); n > 0; --n)
                    line[static_cast<size_t>(pick(0, static_cast<int>(line.size()) - 1))] =
                        static_cast<char>(pick(0, 255));
            }
            damaged += line + "\n";
        }
        {
            UniqueFd file = sys::open_file(location_.path, O_WRONLY | O_TRUNC);
            sys::write_all(file.get(), damaged, "log");
        }
        LogReadOptions options;
        options.timestamps = pick(0, 1) == 0;
        options.details = pick(0, 1) == 0;
        std::string text = read(options);
        size_t at = 0;
        for (int i : whole) {
            at = text.find("<" + std::to_string(i) + ">", at);
            ASSERT_NE(at, std::string::npos) << i;
        }
        options.since_ns = kNoon + pick(0, 400) * kSecond;
        options.until_ns = kNoon + pick(0, 400) * kSecond;
        read(options);
    }
}

TEST_P(ReaderTest, SinceSeeks) {
    open(GetParam());
    std::string chunk;
    for (int i = 0; i < 1000; ++i) chunk += "some line of a usual length, about as long as this one\n";
    for (int i = 0; i < 100; ++i) sink_->append(Stream::out, chunk, kNoon + i * 10 * kSecond);
    UniqueFd file = sys::open_file(location_.path, O_RDONLY);
    struct stat status{};
    ASSERT_EQ(::fstat(file.get(), &status), 0);
    auto size = static_cast<uint64_t>(status.st_size);
    RecordParser parser(GetParam());
    for (uint64_t i : {0, 1, 50, 98, 99}) {
        uint64_t found =
            seek_time(file.get(), parser, 0, size, kNoon + static_cast<int64_t>(i) * 10 * kSecond);
        EXPECT_LE(found, size * i / 100);
        EXPECT_GE(found + size / 100 + 100'000, size * i / 100);
    }
    EXPECT_GT(seek_time(file.get(), parser, 0, size, kNoon + 5000 * kSecond), size - 100'000);
    EXPECT_EQ(seek_time(file.get(), parser, 0, size, 1), 0U);
}

TEST_P(ReaderTest, CompressedFilesTellTheirLastTime) {
    options_.max_size = 2'500;
    options_.max_file = 100;
    options_.compress = true;
    open(GetParam());
    for (int i = 0; i < 300; ++i) put(Stream::out, kNoon + i * kSecond, "\"time\":\"2030-01-01T00:00:00Z\"}");
    sink_->drain();
    std::vector<LogFileHandle> files = open_log_files(location_.path);
    ASSERT_GT(files.size(), 3U);
    EXPECT_EQ(files.back().index, 0U);
    int64_t before = 0;
    for (const LogFileHandle& file : files) {
        if (!file.compressed) continue;
        std::optional<int64_t> last = compressed_last_time(file.fd.get());
        ASSERT_TRUE(last);
        EXPECT_GT(*last, before);
        EXPECT_LT(*last, kNoon + 300 * kSecond);
        before = *last;
    }
    // What is older than `since` is not even decompressed: garbage in it goes unnoticed.
    {
        UniqueFd oldest =
            sys::open_file(location_.path + "." + std::to_string(files.front().index) + ".gz", O_WRONLY);
        ASSERT_EQ(::pwrite(oldest.get(), "garbage", 7, 100), 7);
    }
    LogReadOptions options;
    options.since_ns = before;
    EXPECT_EQ(read(options), expected(options));
}

TEST_F(LogTest, DetailsAndTimes) {
    options_.attrs = R"({"tag":"a b&c","env":"x=1"})";
    open(LogFormat::json_file);
    put(Stream::out, kNoon + 120'000'000, "hello");
    put(Stream::err, kNoon, "");
    LogReadOptions options;
    options.framed = false;
    options.timestamps = options.details = true;
    EXPECT_EQ(read(options),
              "2024-03-01T12:00:00.120000000Z env=x%3D1,tag=a+b%26c hello\n"
              "2024-03-01T12:00:00.000000000Z env=x%3D1,tag=a+b%26c \n");
    EXPECT_EQ(details_of(""), "");
    EXPECT_EQ(details_of("garbage"), "");
}

TEST_F(LogTest, DetailsOfLocal) {
    open(LogFormat::local);
    put(Stream::out, kNoon, "hello");
    location_.attrs = R"({"a":"1"})";
    LogReadOptions options;
    options.framed = false;
    options.details = true;
    EXPECT_EQ(read(options), "a=1 hello\n");
}

TEST_F(LogTest, FilesOfOthers) {
    UniqueFd file = sys::open_file(location_.path, O_WRONLY | O_CREAT, 0600);
    sys::write_all(file.get(),
                   "{\"stream\":\"stderr\",\"time\":\"2024-03-01T13:00:00.5+01:00\",\"log\":"
                   "\"a\\u0041\\ud83d\\ude00\\n\"}\n"
                   "{\"time\":\"2024-03-01T12:00:01Z\",\"stream\":\"stdout\"}\n"
                   "{ \"log\" : \"b\\n\" , \"stream\" : \"stdout\" , \"time\" : \"2024-03-01T12:00:02Z\" }\n"
                   "{\"log\":\"no time\\n\",\"stream\":\"stdout\"}\n"
                   "{\"log\":\"torn\\n\",\"stre{\"log\":\"c\\/"
                   "\\b\\f\\t\\ud800\\n\",\"stream\":\"stdout\",\"time\":\"2024-03-01T12:00:03Z\"}\n",
                   "log");
    LogReadOptions options;
    options.framed = false;
    options.timestamps = true;
    EXPECT_EQ(read(options),
              "2024-03-01T12:00:00.500000000Z aA😀\n"
              "2024-03-01T12:00:01.000000000Z "
              "2024-03-01T12:00:02.000000000Z b\n"
              "2024-03-01T12:00:03.000000000Z c/\b\f\t\xef\xbf\xbd\n");
    options.err = false;
    EXPECT_EQ(read(options).find("00.5"), std::string::npos);
    options.err = true;
    options.since_ns = kNoon + kSecond;
    options.until_ns = kNoon + 2 * kSecond;
    EXPECT_EQ(read(options), "2024-03-01T12:00:01.000000000Z 2024-03-01T12:00:02.000000000Z b\n");
}

TEST_F(LogTest, AttributesThatLookLikeARecord) {
    options_.attrs = R"({"a":"\",\"stream\":\"stderr\"","stream":"stderr"})";
    open(LogFormat::json_file);
    put(Stream::out, kNoon, "x");
    put(Stream::err, kNoon, "\",\"stream\":\"stdout\",\"time\":\"2024-03-01T12:00:00Z\"}");
    EXPECT_EQ(read({}), expected({}));
}

TEST_F(LogTest, EmptiedByTheWriterSinceTheClockWasSetBack) {
    options_.max_size = 1000;
    open(LogFormat::json_file);
    put(Stream::out, kNoon, "one");
    put(Stream::out, kNoon - 100 * kSecond, "two");
    EXPECT_EQ(::getxattr(location_.path.c_str(), "user.berth.log-steps", nullptr, 0), 8);
    for (int i = 0; i < 20; ++i) put(Stream::out, kNoon - 50 * kSecond, "more");
    EXPECT_LT(::getxattr(location_.path.c_str(), "user.berth.log-steps", nullptr, 0), 0);
}

TEST_F(LogTest, TornCompressedFileGivesWhatItHas) {
    options_.max_size = 20'000;
    options_.max_file = 3;
    options_.compress = true;
    open(LogFormat::json_file);
    for (int i = 0; i < 300; ++i) put(Stream::out, kNoon + i, "line " + std::to_string(i) + random_line());
    sink_->drain();
    std::string gz = location_.path + ".1.gz";
    std::string content = sys::read_file(gz);
    ASSERT_EQ(::truncate(gz.c_str(), static_cast<off_t>(content.size() / 2)), 0);
    std::string text = read_text();
    EXPECT_NE(text.find("line 299"), std::string::npos);
}

}  // namespace
}  // namespace berth::engine

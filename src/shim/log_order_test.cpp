// SPDX-License-Identifier: Apache-2.0
#include "shim/log_order.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/strings.h"
#include "shim/log_local.h"
#include "shim/log_writer.h"
#include "shim/options.h"
#include "sys/file.h"

namespace berth::shim {
namespace {

constexpr int64_t kNoon = 1'709'294'400'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;

class LogOrderTest : public testing::Test {
  protected:
    LogOrderTest() {
        char name[] = "/tmp/berth-order-XXXXXX";
        folder_ = ::mkdtemp(name);
        options_.path = folder_ + "/log";
        options_.format = LogFormat::local;
    }
    ~LogOrderTest() override { sys::remove_tree_at(AT_FDCWD, folder_); }

    std::vector<std::string> lines() const {
        std::string text = sys::read_file(options_.path);
        EXPECT_TRUE(text.empty() || text.back() == '\n');
        std::vector<std::string> result;
        for (std::string_view line : split(text, '\n')) result.emplace_back(line);
        if (!result.empty()) result.pop_back();
        return result;
    }
    std::vector<int64_t> times() const {
        std::vector<int64_t> result;
        for (const std::string& line : lines()) {
            LocalHead head;
            EXPECT_TRUE(decode_local_head(line, head)) << line;
            result.push_back(head.time_ns);
        }
        return result;
    }
    std::vector<uint64_t> steps() const {
        std::vector<uint64_t> result(100);
        ssize_t got = ::getxattr(options_.path.c_str(), kLogStepsAttribute, result.data(), result.size() * 8);
        result.resize(got < 0 ? 0 : static_cast<size_t>(got) / 8);
        return result;
    }

    std::string folder_;
    LogOptions options_;
};

TEST_F(LogOrderTest, LocalRecords) {
    LogWriter writer(options_);
    writer.append(Stream::out, "hello\n\xff\"\\\n", kNoon);
    writer.append(Stream::err, "\nno end", kNoon + 1);
    writer.flush(Stream::err, kNoon + 2);
    std::vector<std::string> found = lines();
    ASSERT_EQ(found.size(), 4U);
    char head[kLocalHeadSize];
    auto expect = [&](size_t i, const LocalHead& value, const std::string& text) {
        EXPECT_EQ(found[i], std::string(head, encode_local_head(head, value)) + text);
        LocalHead back;
        ASSERT_TRUE(decode_local_head(found[i], back));
        EXPECT_EQ(back.stream, value.stream);
        EXPECT_EQ(back.ends_line, value.ends_line);
        EXPECT_EQ(back.time_ns, value.time_ns);
    };
    expect(0, {Stream::out, true, kNoon}, "hello");
    expect(1, {Stream::out, true, kNoon}, "\xff\"\\");
    expect(2, {Stream::err, true, kNoon + 1}, "");
    expect(3, {Stream::err, false, kNoon + 2}, "no end");
    LocalHead none;
    EXPECT_FALSE(decode_local_head("x00000000000", none));
    EXPECT_FALSE(decode_local_head("o0000000000", none));
    EXPECT_FALSE(decode_local_head("o0000000000\x7f", none));
}

TEST_F(LogOrderTest, ASmallStepBackIsNotNoted) {
    LogWriter writer(options_);
    writer.append(Stream::out, "a\n", kNoon);
    writer.append(Stream::out, "b\n", kNoon - kSecond);
    EXPECT_TRUE(steps().empty());
    EXPECT_EQ(times(), (std::vector<int64_t>{kNoon, kNoon - kSecond}));
}

TEST_F(LogOrderTest, EachLargerStepIs) {
    LogWriter writer(options_);
    writer.append(Stream::out, "a\n", kNoon);
    writer.append(Stream::out, "b\nc\n", kNoon - kSecond - 1);
    writer.append(Stream::err, "d\n", kNoon - 100 * kSecond);
    EXPECT_EQ(steps(), (std::vector<uint64_t>{14, 42}));
    EXPECT_EQ(times(),
              (std::vector<int64_t>{kNoon, kNoon - kSecond - 1, kNoon - kSecond - 1, kNoon - 100 * kSecond}));
}

TEST_F(LogOrderTest, WhereNothingCanBeNotedTheTimeStands) {
    options_.format = LogFormat::local;
    LogWriter writer(options_);
    writer.append(Stream::out, "a\n", kNoon);
    std::string full(kMaxLogSteps * 8, '\0');
    ASSERT_EQ(::setxattr(options_.path.c_str(), kLogStepsAttribute, full.data(), full.size(), 0), 0);
    writer.append(Stream::out, "b\n", kNoon - 5 * kSecond);
    writer.append(Stream::out, "c\n", kNoon + 1);
    EXPECT_EQ(times(), (std::vector<int64_t>{kNoon, kNoon, kNoon + 1}));
}

TEST_F(LogOrderTest, AFileThatIsContinuedIsInOrderToo) {
    {
        LogWriter(options_).append(Stream::out, "a\n", now_ns());
    }
    LogWriter writer(options_);
    writer.append(Stream::out, "b\n", kNoon);
    EXPECT_EQ(steps(), (std::vector<uint64_t>{14}));
}

TEST_F(LogOrderTest, TheRestOfALineThatTakesLongGetsALaterTime) {
    LogWriter writer(options_);
    std::string block(kMaxRecordText, 'x');
    writer.append(Stream::out, block, kNoon);
    writer.append(Stream::err, "meanwhile\n", kNoon + 5 * kSecond);
    writer.append(Stream::out, block, kNoon + 5 * kSecond);
    writer.append(Stream::out, "end\n", kNoon + 6 * kSecond);
    EXPECT_EQ(times(),
              (std::vector<int64_t>{kNoon, kNoon + 5 * kSecond, kNoon + 5 * kSecond, kNoon + 5 * kSecond}));
    EXPECT_TRUE(steps().empty());
}

TEST(LogSettingsTest, Drivers) {
    for (const char* driver : {"json-file", "local", "none"}) {
        ShimOptions options = decode_options(std::string(R"({"id":"x","log":{"driver":")") + driver + "\"}}");
        LogFormat format = log_options(options.log, AT_FDCWD).format;
        EXPECT_EQ(format == LogFormat::none, std::string(driver) == "none");
        EXPECT_EQ(format == LogFormat::local, std::string(driver) == "local");
    }
    EXPECT_THROW(decode_options(R"({"id":"x","log":{"driver":"syslog"}})"), Error);
}

}  // namespace
}  // namespace berth::shim

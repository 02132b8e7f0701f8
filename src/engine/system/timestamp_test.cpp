// SPDX-License-Identifier: Apache-2.0
#include "engine/system/timestamp.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"

namespace berth::engine {
namespace {

constexpr int64_t kNow = 1'700'000'000'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;

TEST(Timestamp, SecondsSinceTheEpochWithAFraction) {
    EXPECT_EQ(parse_timestamp("1136073600", kNow), 1136073600 * kSecond);
    EXPECT_EQ(parse_timestamp("1136073600.000000001", kNow), 1136073600 * kSecond + 1);
    EXPECT_EQ(parse_timestamp("1136073600.5", kNow), 1136073600 * kSecond + kSecond / 2);
    EXPECT_EQ(parse_timestamp("1136073600.1234567899", kNow), 1136073600 * kSecond + 123456789);
}

TEST(Timestamp, DatesWithAndWithoutTime) {
    EXPECT_EQ(parse_timestamp("2006-01-01T00:00:00Z", kNow), 1136073600 * kSecond);
    EXPECT_EQ(parse_timestamp("2006-01-01T01:00:00.25+01:00", kNow), 1136073600 * kSecond + kSecond / 4);
    EXPECT_EQ(parse_timestamp("2006-01-01T00:00Z", kNow), 1136073600 * kSecond);
    EXPECT_EQ(parse_timestamp("2006-01-01Z", kNow), 1136073600 * kSecond);
}

TEST(Timestamp, DatesWithoutZoneAreLocal) {
    setenv("TZ", "Etc/GMT-2", 1);  // two hours east
    tzset();
    EXPECT_EQ(parse_timestamp("2006-01-01T02:00", kNow), 1136073600 * kSecond);
    EXPECT_EQ(parse_timestamp("2006-01-01", kNow), (1136073600 - 7200) * kSecond);
    unsetenv("TZ");
    tzset();
}

TEST(Timestamp, DurationsCountBackwards) {
    EXPECT_EQ(parse_timestamp("10m", kNow), kNow - 600 * kSecond);
    EXPECT_EQ(parse_timestamp("1h30m", kNow), kNow - 5400 * kSecond);
    EXPECT_EQ(parse_timestamp("1.5s", kNow), kNow - kSecond * 3 / 2);
    EXPECT_EQ(parse_timestamp("-10s", kNow), kNow + 10 * kSecond);
}

TEST(Timestamp, OthersAreRefused) {
    for (const char* text : {"yesterday", "", "10x", "1h30", "2006-13-01", "1.x", "h", "..s"})
        EXPECT_THROW(parse_timestamp(text, kNow), Error) << text;
    EXPECT_EQ(parse_optional_timestamp("", kNow), std::nullopt);
    EXPECT_EQ(parse_optional_timestamp("0", kNow), std::nullopt);
}

}  // namespace
}  // namespace berth::engine

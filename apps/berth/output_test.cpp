// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <gtest/gtest.h>

namespace berth::app {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(Output, TablesAreThoseOfDocker) {
    Table table({"REPOSITORY", "TAG", "SIZE"});
    table.add({"a", "latest", "1B"});
    table.add({"a-much-longer-name", "x", "é"});
    EXPECT_EQ(table.text(),
              "REPOSITORY           TAG       SIZE\n"
              "a                    latest    1B\n"
              "a-much-longer-name   x         é\n");
}

TEST(Output, SizesHaveThreeDigits) {
    EXPECT_EQ(human_size(0), "0B");
    EXPECT_EQ(human_size(999), "999B");
    EXPECT_EQ(human_size(4'263'123), "4.26MB");
    EXPECT_EQ(human_size(77'900'000), "77.9MB");
    EXPECT_EQ(human_size(1'234'567'890, 4), "1.235GB");
}

TEST(Output, AgesAreInWords) {
    auto ago = [](int64_t seconds) { return human_ago(0, seconds * kSecond); };
    EXPECT_EQ(ago(0), "Less than a second ago");
    EXPECT_EQ(ago(1), "1 second ago");
    EXPECT_EQ(ago(59), "59 seconds ago");
    EXPECT_EQ(ago(60), "About a minute ago");
    EXPECT_EQ(ago(45 * 60), "45 minutes ago");
    EXPECT_EQ(ago(60 * 60), "About an hour ago");
    EXPECT_EQ(ago(47 * 3600), "47 hours ago");
    EXPECT_EQ(ago(3 * 86400), "3 days ago");
    EXPECT_EQ(ago(21 * 86400), "3 weeks ago");
    EXPECT_EQ(ago(90 * 86400), "3 months ago");
    EXPECT_EQ(ago(3 * 365 * 86400), "3 years ago");
}

TEST(Output, TimesAreThoseOfGo) {
    EXPECT_EQ(go_time(1'709'294'400 * kSecond), "2024-03-01 12:00:00 +0000 UTC");
}

}  // namespace
}  // namespace berth::app

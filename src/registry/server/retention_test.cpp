// SPDX-License-Identifier: Apache-2.0
#include "registry/server/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::registry::server {

namespace {

using std::chrono::seconds;

constexpr int64_t kDay = int64_t{86'400} * 1'000'000'000;

std::vector<std::string> gone(std::string_view rule, std::vector<int64_t> ages_in_days) {
    std::vector<TagInfo> tags;
    for (int64_t age : ages_in_days)
        tags.push_back({"r", "d" + std::to_string(age), Digest::of("x"), 1'000 * kDay - age * kDay});
    std::vector<std::string> names;
    for (const TagInfo& tag : retired(RetentionRule::parse(rule), tags, 1'000 * kDay))
        names.push_back(tag.name);
    return names;
}

TEST(Duration, AddsUnits) {
    EXPECT_EQ(parse_duration("90s"), seconds(90));
    EXPECT_EQ(parse_duration("1h30m"), seconds(5400));
    EXPECT_EQ(parse_duration("2w1d"), seconds(15 * 86'400));
    EXPECT_EQ(parse_duration("0s"), seconds(0));
    for (const char* text :
         {"", "5", "h", "-1h", "1.5h", "1y", "1h ", "99999999999999999999s", "9999999999w"})
        EXPECT_THROW(parse_duration(text), Error) << text;
}

TEST(Retention, KeepAndOlder) {
    using testing::ElementsAre;
    EXPECT_THAT(gone("*=keep:2", {1, 2, 3, 4}), ElementsAre("d3", "d4"));
    EXPECT_THAT(gone("*=keep:9", {1, 2}), ElementsAre());
    EXPECT_THAT(gone("*=older:2d", {1, 2, 3}), ElementsAre("d2", "d3"));
    EXPECT_THAT(gone("*=keep:2,older:4d", {1, 2, 3, 4, 5}), ElementsAre("d4", "d5"));
    EXPECT_THAT(gone("*=keep:3,older:1d", {1, 2, 3, 4}), ElementsAre("d4"));
    EXPECT_THAT(gone("*=untagged:1d", {1, 2, 3}), ElementsAre());
}

TEST(Retention, PatternsSpanSlashes) {
    auto matches = [](const char* pattern, const char* name) {
        return RetentionRule::parse(std::string(pattern) + "=keep:1").matches(name);
    };
    EXPECT_TRUE(matches("*", "a/b/c"));
    EXPECT_TRUE(matches("ci/*", "ci/a/b"));
    EXPECT_TRUE(matches("*/test", "a/b/test"));
    EXPECT_TRUE(matches("a*b*c", "aXbYbZc"));
    EXPECT_FALSE(matches("ci/*", "cix"));
    EXPECT_FALSE(matches("ci", "ci/a"));
    EXPECT_FALSE(matches("a*b*c", "aXbY"));
}

TEST(Retention, NamesWhatIsWrong) {
    for (const char* rule :
         {"", "x", "=keep:1", "x=", "x=keep", "x=keep:", "x=keep:-1", "x=older:1", "x=newest:1"})
        EXPECT_THROW(RetentionRule::parse(rule), Error) << rule;
}

}  // namespace

}  // namespace berth::registry::server

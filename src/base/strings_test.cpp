// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Strings, SplitKeepsEmptyParts) {
    EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
    EXPECT_THAT(split("a,", ','), ElementsAre("a", ""));
    EXPECT_THAT(split("", ','), IsEmpty());
}

TEST(Strings, SplitFields) {
    EXPECT_THAT(split_fields("  a \t b\n"), ElementsAre("a", "b"));
}

TEST(Strings, Trim) {
    EXPECT_EQ(trim(" a b\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
}

TEST(Strings, Quote) {
    EXPECT_EQ(quote("a\"b\\\n\x01"), "\"a\\\"b\\\\\\n\\x01\"");
}

TEST(Strings, ParseNumberTakesAllOrNothing) {
    EXPECT_EQ(parse_number<int>("12"), 12);
    EXPECT_EQ(parse_number<int>("12x"), std::nullopt);
    EXPECT_EQ(parse_number<int>(""), std::nullopt);
    EXPECT_EQ(parse_number<uint8_t>("256"), std::nullopt);
    EXPECT_EQ(parse_number<uint32_t>("755", 8), 0755u);
}

TEST(Strings, Rfc3339) {
    EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(rfc3339(1709294400'000000007), "2024-03-01T12:00:00.000000007Z");
}

TEST(Strings, RandomHexDiffers) {
    EXPECT_EQ(random_hex(16).size(), 32u);
    EXPECT_NE(random_hex(16), random_hex(16));
}

}  // namespace
}  // namespace berth

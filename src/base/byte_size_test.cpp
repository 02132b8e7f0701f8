// SPDX-License-Identifier: Apache-2.0
#include "base/byte_size.h"

#include <gtest/gtest.h>

namespace berth {
namespace {

TEST(ParseByteSize, TakesUnitsOf1024) {
    EXPECT_EQ(parse_byte_size("0"), 0);
    EXPECT_EQ(parse_byte_size("1024"), 1024);
    EXPECT_EQ(parse_byte_size("512k"), 512 * 1024);
    EXPECT_EQ(parse_byte_size("1.5G"), 1536 * int64_t{1024} * 1024);
    EXPECT_EQ(parse_byte_size("64MB"), 64 * 1024 * 1024);
    EXPECT_EQ(parse_byte_size("2GiB"), 2 * int64_t{1024} * 1024 * 1024);
    EXPECT_EQ(parse_byte_size("3 b"), 3);
}

TEST(ParseByteSize, RefusesTheRest) {
    for (const char* wrong : {"", "-1", "k", "1x", "1kk", "1bb", "9999999p", "1e3"})
        EXPECT_EQ(parse_byte_size(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace berth

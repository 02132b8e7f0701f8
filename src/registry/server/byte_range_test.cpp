// SPDX-License-Identifier: Apache-2.0
#include "registry/server/byte_range.h"

#include <gtest/gtest.h>

namespace berth::registry::server {

namespace {

void expect_part(std::string_view field, uint64_t size, uint64_t begin, uint64_t end) {
    RangeAnswer answer = parse_range(field, size);
    EXPECT_EQ(answer.kind, RangeKind::part) << field;
    EXPECT_EQ(answer.range.begin, begin) << field;
    EXPECT_EQ(answer.range.end, end) << field;
}

TEST(ByteRange, Parts) {
    expect_part("bytes=0-0", 10, 0, 1);
    expect_part("bytes=2-", 10, 2, 10);
    expect_part("bytes=2-99", 10, 2, 10);
    expect_part("bytes=-3", 10, 7, 10);
    expect_part("bytes=-99", 10, 0, 10);
    expect_part("bytes=9-9", 10, 9, 10);
    expect_part("bytes=0-99999999999999999999999999", 10, 0, 10);
}

TEST(ByteRange, WhatAServerMayIgnoreGivesTheWhole) {
    for (const char* field : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "items=0-1",
                              "bytes=0-1,3-4", "bytes=+1-2", "bytes=1-2-3"})
        EXPECT_EQ(parse_range(field, 10).kind, RangeKind::whole) << field;
}

TEST(ByteRange, Unsatisfiable) {
    for (const char* field : {"bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"})
        EXPECT_EQ(parse_range(field, 10).kind, RangeKind::unsatisfiable) << field;
    EXPECT_EQ(parse_range("bytes=0-", 0).kind, RangeKind::unsatisfiable);
    EXPECT_EQ(parse_range("bytes=-1", 0).kind, RangeKind::unsatisfiable);
}

TEST(ChunkRange, TakesTheFormsOfClients) {
    ByteRange wanted{5, 10};
    EXPECT_EQ(parse_chunk_range("5-9"), wanted);
    EXPECT_EQ(parse_chunk_range("bytes 5-9/10"), wanted);
    EXPECT_EQ(parse_chunk_range("bytes=5-9"), wanted);
    EXPECT_EQ(parse_chunk_range("5-9/*"), wanted);
}

TEST(ChunkRange, RefusesTheRest) {
    for (const char* field :
         {"", "5", "5-", "-9", "9-5", "a-b", "bytes5-9", "5-9-10", "0-99999999999999999999"})
        EXPECT_FALSE(parse_chunk_range(field)) << field;
}

}  // namespace

}  // namespace berth::registry::server

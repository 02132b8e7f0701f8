// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace berth {
namespace {

TEST(Error, ContextIsPutBefore) {
    try {
        with_context("outer", [] {
            with_context([] { return std::string("inner"); }, [] { throw errno_error(ENOENT, "open x"); });
        });
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "outer: inner: open x: no such file or directory");
        EXPECT_EQ(error.kind(), ErrorKind::not_found);
        EXPECT_EQ(error.code(), ENOENT);
    }
}

TEST(Error, WithContextReturnsTheValue) {
    EXPECT_EQ(with_context("x", [] { return 3; }), 3);
}

TEST(Error, KindsOfErrno) {
    EXPECT_EQ(errno_error(EEXIST, "x").kind(), ErrorKind::conflict);
    EXPECT_EQ(errno_error(EACCES, "x").kind(), ErrorKind::forbidden);
    EXPECT_EQ(errno_error(EIO, "x").kind(), ErrorKind::internal);
}

}  // namespace
}  // namespace berth

// SPDX-License-Identifier: Apache-2.0
#include "store/space.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>

#include "sys/file.h"

namespace berth::store {
namespace {

class ReserveTest : public ::testing::Test {
  protected:
    ReserveTest() {
        char name[] = "/tmp/reserve-test-XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~ReserveTest() override { sys::remove_tree_at(AT_FDCWD, root_); }

    /// Bytes on disk.
    int64_t size() const {
        struct stat status{};
        return ::stat((root_ + "/reserve").c_str(), &status) == 0 ? int64_t{status.st_blocks} * 512 : -1;
    }

    std::string root_;
};

TEST_F(ReserveTest, IsGivenAwayInPieces) {
    Reserve reserve(root_);
    EXPECT_FALSE(reserve.release());
    reserve.restore();
    EXPECT_EQ(size(), 512 << 10);
    int pieces = 0;
    while (reserve.release()) EXPECT_EQ(size(), (512 << 10) - ++pieces * (64 << 10));
    EXPECT_EQ(pieces, 8);
    reserve.restore();
    EXPECT_EQ(size(), 512 << 10);
}

TEST_F(ReserveTest, WorkIsTriedAgainWithAsMuchAsItNeeds) {
    Reserve reserve(root_);
    reserve.restore();
    auto needs_two_pieces = [&] {
        if (size() > (512 << 10) - 2 * (64 << 10)) throw errno_error(ENOSPC, "write");
        return 7;
    };
    EXPECT_EQ(with_reserve(reserve, needs_two_pieces), 7);
    EXPECT_EQ(size(), 512 << 10);
}

TEST_F(ReserveTest, WorkFailsWhenNoneIsLeftOrForAnotherReason) {
    Reserve reserve(root_);
    reserve.restore();
    int calls = 0;
    auto fails_with = [&](int code) {
        return [&calls, code] {
            ++calls;
            throw errno_error(code, "write");
        };
    };
    EXPECT_THROW(with_reserve(reserve, fails_with(EIO)), Error);
    EXPECT_EQ(calls, 1);
    EXPECT_THROW(with_reserve(reserve, fails_with(EDQUOT)), Error);
    EXPECT_EQ(calls, 10);
    EXPECT_EQ(size(), 512 << 10);
}

}  // namespace
}  // namespace berth::store

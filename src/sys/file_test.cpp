// SPDX-License-Identifier: Apache-2.0
#include "sys/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace berth::sys {
namespace {

class FileTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "berth-file-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        path_ = pattern;
        dir_ = open_file(path_, O_RDONLY | O_DIRECTORY);
    }
    void TearDown() override { remove_tree_at(AT_FDCWD, path_); }

    std::string path_;
    UniqueFd dir_;
};

TEST_F(FileTest, AtomicWriteReplacesAndLeavesNothingElse) {
    write_file_atomic_at(dir_.get(), "a", "one");
    write_file_atomic_at(dir_.get(), "a", "two");
    EXPECT_EQ(read_file(path_ + "/a"), "two");
    EXPECT_THAT(list_dir(dir_.get()), testing::ElementsAre("a"));
}

TEST_F(FileTest, ReadsLongFiles) {
    std::string data(100'000, 'x');
    write_file_atomic_at(dir_.get(), "a", data);
    EXPECT_EQ(read_file_at(dir_.get(), "a"), data);
}

TEST_F(FileTest, AbsentIsNotAnErrorWhereAsked) {
    EXPECT_EQ(try_read_file(path_ + "/none"), std::nullopt);
    EXPECT_THROW(read_file(path_ + "/none"), Error);
}

TEST_F(FileTest, RemoveTreeDoesNotFollowSymlinks) {
    make_dirs(path_ + "/keep/inside");
    make_dirs(path_ + "/gone/deep/er");
    ASSERT_EQ(::symlink((path_ + "/keep").c_str(), (path_ + "/gone/deep/link").c_str()), 0);
    remove_tree_at(dir_.get(), "gone");
    EXPECT_FALSE(exists(path_ + "/gone"));
    EXPECT_TRUE(exists(path_ + "/keep/inside"));
    remove_tree_at(dir_.get(), "gone");  // absent is fine
}

TEST_F(FileTest, RemoveTreeTakesAnyDepthWithFewDescriptors) {
    UniqueFd at = open_at(dir_.get(), ".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; ++i) {
        std::string name = i == 0 ? "deep" : "d";
        ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0700), 0);
        at = open_at(at.get(), name, O_RDONLY | O_DIRECTORY);
        ASSERT_EQ(::mkdirat(at.get(), "beside", 0700), 0);
    }
    at.reset();
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit few{100, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    remove_tree_at(dir_.get(), "deep");
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_THAT(list_dir(dir_.get()), testing::IsEmpty());
}

TEST(CleanPath, IsLexical) {
    EXPECT_EQ(clean_path("/a//b/./c/../d/"), "/a/b/d");
    EXPECT_EQ(clean_path("../../x", "/a"), "/x");
    EXPECT_EQ(clean_path("x", "/a/b"), "/a/b/x");
    EXPECT_EQ(clean_path("/"), "/");
}

TEST(Check, NamesTheCallAndTheObject) {
    try {
        (void)open_file("/nonexistent/x", O_RDONLY);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "open /nonexistent/x: no such file or directory");
    }
}

}  // namespace
}  // namespace berth::sys

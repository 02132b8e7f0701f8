// SPDX-License-Identifier: Apache-2.0
#include "engine/files/beneath.h"

#include <fcntl.h>
#include <unistd.h>

#include "engine/files/view_fixture.h"

namespace berth::engine {
namespace {

class BeneathTest : public ViewTest {
  protected:
    void SetUp() override {
        ViewTest::SetUp();
        root = sys::open_file(at("image"), O_PATH | O_DIRECTORY);
    }
    void link(const std::string& target, const std::string& name) const {
        ASSERT_EQ(::symlink(target.c_str(), at("image/" + name).c_str()), 0);
    }
    UniqueFd root;
};

TEST_F(BeneathTest, LinksEndAtTheRoot) {
    link(at("outside"), "absolute");
    link("../../../../../../../../../../" + at("outside"), "relative");
    for (const char* name : {"absolute", "relative", "../outside"}) {
        EXPECT_FALSE(try_open_in_root(root.get(), std::string(name) + "/secret", O_RDONLY)) << name;
        EXPECT_EQ(read_file_in_root(root.get(), std::string(name) + "/secret"), std::nullopt) << name;
    }
    link("/etc", "inner");
    EXPECT_EQ(read_file_in_root(root.get(), "/inner/passwd"), "root:x:0:0::/:\n");
}

TEST_F(BeneathTest, OnlyRegularFilesOfLimitedSizeAreRead) {
    ASSERT_EQ(::mkfifo(at("image/fifo").c_str(), 0600), 0);
    EXPECT_EQ(read_file_in_root(root.get(), "fifo"), std::nullopt);
    EXPECT_EQ(read_file_in_root(root.get(), "etc"), std::nullopt);
    EXPECT_EQ(read_file_in_root(root.get(), "etc/passwd/x"), std::nullopt);
    expect_error(ErrorKind::invalid_argument, "is larger than 3 bytes",
                 [&] { (void)read_file_in_root(root.get(), "etc/passwd", 3); });
}

TEST_F(BeneathTest, NoPathHasAZeroByte) {
    using namespace std::string_view_literals;
    EXPECT_THROW((void)open_in_root(root.get(), "etc\0/x"sv, O_PATH), Error);
    EXPECT_THROW((void)try_open_in_root(root.get(), "\0"sv, O_PATH), Error);
}

TEST_F(BeneathTest, ResolvesForShowing) {
    link("/var/run", "run");
    link("b", "a");
    link("a", "b");
    link("../../x/./y", "etc/up");
    EXPECT_EQ(resolve_in_root(root.get(), "/run/x"), "/var/run/x");
    EXPECT_EQ(resolve_in_root(root.get(), "/etc/up"), "/x/y");
    EXPECT_EQ(resolve_in_root(root.get(), "/"), "/");
    EXPECT_THROW(resolve_in_root(root.get(), "/a"), Error);
}

TEST_F(BeneathTest, MakesFoldersThroughLinksWithinTheRoot) {
    link("/real", "alias");
    link("/nowhere/x", "dangling");
    sys::make_dirs(at("image/real"));
    (void)make_folders_in_root(root.get(), "/alias/a/b");
    EXPECT_TRUE(sys::exists(at("image/real/a/b")));
    EXPECT_THROW((void)make_folders_in_root(root.get(), "/dangling/a"), Error);
    EXPECT_THROW((void)make_folders_in_root(root.get(), "/etc/passwd/a"), Error);
    link(at("outside"), "away");
    EXPECT_THROW((void)make_folders_in_root(root.get(), "/away/made"), Error);
    EXPECT_EQ(store::names_in(at("outside")), std::vector<std::string>{"secret"});
}

}  // namespace
}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/user_lookup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.h"
#include "engine/oci/oci_fixture.h"
#include "sys/file.h"

namespace berth::engine {

namespace {

using testing::ElementsAre;

class UserLookup : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "berth-users-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        ASSERT_EQ(mkdir((folder_ + "/etc").c_str(), 0755), 0);
        write("passwd",
              "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:1000:1001:w:/home:/bin/sh\n"
              "web:x:7:7::/:\n5:x:55:56::/:\n");
        write("group", "root:x:0:\nwheel:x:10:root,web\nweb:x:1001:\nvideo:x:44:web\nnobody\n");
        root_ = sys::open_file(folder_, O_PATH | O_DIRECTORY);
    }
    void TearDown() override {
        UniqueFd parent = sys::open_file(testing::TempDir(), O_RDONLY | O_DIRECTORY);
        sys::remove_tree_at(parent.get(), folder_.substr(folder_.rfind('/') + 1));
    }
    void write(const std::string& name, std::string_view text) {
        UniqueFd file = sys::open_file(folder_ + "/etc/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        sys::write_all(file.get(), text, name);
    }
    std::string found(std::string_view user, const std::vector<std::string>& groups = {}) {
        std::string text;
        std::string error = error_of([&] {
            spec::User result = find_user(root_.get(), user, groups);
            text = fmt::format("{}:{}", result.uid, result.gid);
            for (uint32_t gid : result.additionalGids) text += fmt::format(" {}", gid);
        });
        return error.empty() ? text : error;
    }

    std::string folder_;
    UniqueFd root_;
};

TEST_F(UserLookup, NamesAndNumbers) {
    EXPECT_EQ(found(""), "0:0 0 10");
    EXPECT_EQ(found("web"), "1000:1001 1001 10 44");
    EXPECT_EQ(found("1000"), "1000:1001 1001 10 44");
    EXPECT_EQ(found("4321"), "4321:0 0");
    EXPECT_EQ(found("5"), "5:0 0");  // a number is never a name
    EXPECT_EQ(found("web:wheel"), "1000:10 10");
    EXPECT_EQ(found("web:77"), "1000:77 77");
    EXPECT_EQ(found("4321:video"), "4321:44 44");
    EXPECT_EQ(found(":video"), "0:44 44");
}

TEST_F(UserLookup, MoreGroups) {
    EXPECT_EQ(found("4321", {"video", "99", "44"}), "4321:0 0 44 99");
    EXPECT_EQ(found("0", {"none"}), "Unable to find group none: no matching entries in group file");
}

TEST_F(UserLookup, Errors) {
    EXPECT_EQ(found("nobody"), "unable to find user nobody: no matching entries in passwd file");
    EXPECT_EQ(found("0:none"), "unable to find group none: no matching entries in group file");
    EXPECT_EQ(found("99999999999"), "uids and gids must be in range 0-2147483647");
    EXPECT_EQ(found("-1"), "uids and gids must be in range 0-2147483647");
}

TEST_F(UserLookup, WithoutFiles) {
    EXPECT_EQ(find_user(-1, "7").uid, 7U);
    EXPECT_THAT(find_user(-1, "").additionalGids, ElementsAre(0));
    EXPECT_THAT(error_of([] { find_user(-1, "web"); }), testing::HasSubstr("unable to find user web"));
}

TEST_F(UserLookup, StaysInTheRoot) {
    std::string passwd = folder_ + "/etc/passwd";
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    // The host's own would be found from here: absolute links start at the container's root.
    ASSERT_EQ(symlink("/../../../../etc/real", passwd.c_str()), 0);
    write("real", "inside:x:3:4::/:\n");
    EXPECT_EQ(found("inside"), "3:4 4");
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    ASSERT_EQ(symlink("/proc/self/root/etc/passwd", passwd.c_str()), 0);
    EXPECT_EQ(found("root"), "unable to find user root: no matching entries in passwd file");
}

TEST_F(UserLookup, WhatIsNoPlainFileIsEmpty) {
    std::string passwd = folder_ + "/etc/passwd";
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    ASSERT_EQ(mkfifo(passwd.c_str(), 0666), 0);
    EXPECT_EQ(found("web"), "unable to find user web: no matching entries in passwd file");
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    write("passwd", "");
    ASSERT_EQ(truncate(passwd.c_str(), 100 << 20), 0);
    EXPECT_EQ(found("12"), "12:0 0");
}

/// To open a device has effects on the host: what is in a file's place is looked at first.
TEST_F(UserLookup, OpensPlainFilesOnly) {
    std::string passwd = folder_ + "/etc/passwd";
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    ASSERT_EQ(mkfifo(passwd.c_str(), 0666), 0);
    UniqueFd watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ASSERT_GE(inotify_add_watch(watch.get(), passwd.c_str(), IN_OPEN), 0);
    EXPECT_EQ(found("7"), "7:0 0");
    std::array<char, 4096> event;
    EXPECT_EQ(read(watch.get(), event.data(), event.size()), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(UserLookup, ManyGroups) {
    std::string text;
    for (int gid = 0; gid < 200'000; ++gid) text += fmt::format("g:x:{}:web\n", gid);
    write("group", text);
    EXPECT_EQ(find_user(root_.get(), "web").additionalGids.size(), 200'000U);
}

}  // namespace

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "engine/files/working_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "engine/files/view_fixture.h"

namespace berth::engine {
namespace {

class WorkingFolderTest : public ViewTest {
  protected:
    void make(const std::string& path) const { make_working_folder(plan(), path); }
    struct stat status(const std::string& name) const {
        struct stat result{};
        EXPECT_EQ(::lstat(at(name).c_str(), &result), 0) << name;
        return result;
    }
};

TEST_F(WorkingFolderTest, IsMadeWithThoseAboveIt) {
    ::umask(077);
    make("/srv//app/./x/");
    ::umask(022);
    for (const char* name : {"upper/srv", "upper/srv/app", "upper/srv/app/x"}) {
        EXPECT_EQ(status(name).st_mode, S_IFDIR | 0755U) << name;
        EXPECT_EQ(status(name).st_uid, 0U) << name;
    }
}

TEST_F(WorkingFolderTest, WhatIsThereStays) {
    sys::make_dirs(at("image/srv/app"));
    ASSERT_EQ(::chmod(at("image/srv/app").c_str(), 0700), 0);
    for (const char* path : {"", "/", "/etc", "/srv/app"}) make(path);
    EXPECT_TRUE(store::names_in(at("upper")).empty());
    EXPECT_TRUE(store::names_in(at("work")).empty()) << "it was mounted";
}

TEST_F(WorkingFolderTest, WhereALayerHidesItItIsMade) {
    sys::make_dirs(at("image/srv/app"));
    sys::make_dirs(at("upper/srv"));
    ASSERT_EQ(::mknod(at("upper/srv/app").c_str(), S_IFCHR, 0), 0);
    make("/srv/app");
    EXPECT_TRUE(S_ISDIR(status("upper/srv/app").st_mode));
}

TEST_F(WorkingFolderTest, LinksLeadWithinTheContainer) {
    ASSERT_EQ(::symlink(at("outside").c_str(), at("image/out").c_str()), 0);
    ASSERT_EQ(::symlink("/etc", at("image/in").c_str()), 0);
    make("/in/app");
    EXPECT_TRUE(S_ISDIR(status("upper/etc/app").st_mode));
    make("/out/app");
    EXPECT_FALSE(sys::exists(at("outside/app")));
}

TEST_F(WorkingFolderTest, AFileInItsPlace) {
    for (const char* path : {"/etc/passwd", "/etc/passwd/x"})
        expect_error(ErrorKind::internal, std::string("Cannot mkdir: ") + path + " is not a directory",
                     [&] { make(path); });
}

}  // namespace
}  // namespace berth::engine

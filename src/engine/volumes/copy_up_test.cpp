// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes/copy_up.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/files/view_fixture.h"
#include "sys/process.h"

namespace berth::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class CopyUpTest : public ViewTest {
  protected:
    static constexpr int kFiles = 80, kKills = 12;

    void SetUp() override {
        ViewTest::SetUp();
        sys::make_dirs(at("volumes/v/_data"));
        sys::make_dirs(at("image/srv/data"));
    }
    std::string volume() const { return at("volumes/v"); }
    std::vector<std::string> content() const { return store::names_in(volume() + "/_data"); }
    void run(const std::string& destination = "/srv/data") const {
        UniqueFd root = sys::open_file(at("image"), O_PATH | O_DIRECTORY);
        copy_up(root.get(), destination, volume());
    }
    void fill_image() const {
        for (int i = 0; i < kFiles; ++i)
            store::write_text(at("image/srv/data/" + std::to_string(i)), std::string(5000, 'x'));
    }
    struct stat status(const std::string& name) const {
        struct stat result{};
        EXPECT_EQ(::lstat((volume() + "/_data/" + name).c_str(), &result), 0) << name;
        return result;
    }
};

TEST_F(CopyUpTest, KeepsWhatFilesAre) {
    std::string source = at("image/srv/data");
    sys::make_dirs(source + "/sub");
    store::write_text(source + "/sub/file", "text");
    ASSERT_EQ(::link((source + "/sub/file").c_str(), (source + "/linked").c_str()), 0);
    ASSERT_EQ(::symlink("/etc/passwd", (source + "/symlink").c_str()), 0);
    ASSERT_EQ(::mknod((source + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    ASSERT_EQ(::chown((source + "/sub/file").c_str(), 12, 34), 0);
    ASSERT_EQ(::chmod((source + "/sub/file").c_str(), 04711), 0);
    ASSERT_EQ(::chown(source.c_str(), 56, 78), 0);
    ASSERT_EQ(::chmod(source.c_str(), 01770), 0);
    bool has_xattrs = ::setxattr((source + "/sub").c_str(), "trusted.x", "y", 1, 0) == 0;
    run();
    EXPECT_THAT(content(), UnorderedElementsAre("sub", "linked", "symlink", "null"));
    EXPECT_EQ(store::read_text(volume() + "/_data/sub/file"), "text");
    struct stat file = status("sub/file");
    EXPECT_EQ(file.st_mode & 07777, 04711U);
    EXPECT_EQ(file.st_uid, 12U);
    EXPECT_EQ(file.st_gid, 34U);
    EXPECT_EQ(file.st_ino, status("linked").st_ino);
    EXPECT_EQ(status("null").st_rdev, makedev(1, 3));
    EXPECT_EQ(status("symlink").st_mode & S_IFMT, static_cast<unsigned>(S_IFLNK));
    struct stat top = status("");
    EXPECT_EQ(top.st_uid, 56U);
    EXPECT_EQ(top.st_mode & 07777, 01770U);
    char value = 0;
    if (has_xattrs) EXPECT_EQ(::getxattr((volume() + "/_data/sub").c_str(), "trusted.x", &value, 1), 1);
    EXPECT_THAT(store::names_in(volume()), ElementsAre("_data"));
}

TEST_F(CopyUpTest, OnlyAnEmptyVolumeIsFilled) {
    store::write_text(at("image/srv/data/file"), "image's");
    store::write_text(volume() + "/_data/mine", "mine");
    run();
    EXPECT_THAT(content(), ElementsAre("mine"));
}

TEST_F(CopyUpTest, NothingThereOrAFile) {
    run("/no/such");
    EXPECT_THAT(content(), IsEmpty());
    expect_error(ErrorKind::invalid_argument,
                 "cannot mount volume over existing file, file exists /etc/passwd",
                 [&] { run("/etc/passwd"); });
}

TEST_F(CopyUpTest, LinksOfTheImageLeadNowhereElse) {
    ASSERT_EQ(::symlink(at("outside").c_str(), at("image/srv/away").c_str()), 0);
    ASSERT_EQ(::symlink("../../../../../../../../..", at("image/srv/up").c_str()), 0);
    run("/srv/away");
    EXPECT_THAT(content(), IsEmpty());
    run("/srv/up" + at("outside"));
    EXPECT_THAT(content(), IsEmpty());
    run("/srv/up/etc");
    EXPECT_THAT(content(), ElementsAre("passwd"));
}

TEST_F(CopyUpTest, VolumesOfAContainer) {
    store::write_text(at("image/srv/data/file"), "text");
    sys::make_dirs(at("device"));
    sys::make_dirs(at("volumes/b/_data"));
    std::map<std::string, Volume> volumes = {
        {"v", {.name = "v", .mountpoint = volume() + "/_data"}},
        {"b",
         {.name = "b",
          .mountpoint = at("volumes/b/_data"),
          .options = {{"type", "none"}, {"o", "bind"}, {"device", at("device")}}}}};
    std::vector<MountPoint> mounts = {parse_bind_word("v:/srv/data", ""), parse_bind_word("b:/srv/data", ""),
                                      parse_bind_word("/host:/srv/data", "")};
    EXPECT_TRUE(needs_populate(mounts, volumes));
    populate_volumes(plan(), mounts, volumes);
    EXPECT_THAT(content(), ElementsAre("file"));
    EXPECT_THAT(store::names_in(at("device")), ElementsAre("file"));
    mounts.erase(mounts.begin() + 1);
    EXPECT_FALSE(needs_populate(mounts, volumes));
    mounts[0].copy_data = false;
    ASSERT_EQ(::unlink((volume() + "/_data/file").c_str()), 0);
    EXPECT_FALSE(needs_populate(mounts, volumes));
}

/// A volume must never look filled with a part of the image's content.
TEST_F(CopyUpTest, AKillLeavesAllOrNothing) {
    fill_image();
    ASSERT_EQ(::chmod(at("image/srv/data").c_str(), 0711), 0);
    auto count = [&](const std::string& name) {
        std::optional<UniqueFd> fd = sys::try_open_at(AT_FDCWD, volume() + name, O_RDONLY | O_DIRECTORY);
        return fd ? static_cast<int>(sys::list_dir(fd->get()).size()) : 0;
    };
    int halves = 0;
    for (int i = 0; i < kKills; ++i) {
        // In turn while it is copied and while it is moved, at different points.
        const char* watched = i % 2 == 0 ? "/_copy" : "/_data";
        int wanted = 1 + i * kFiles / kKills;
        sys::Child child = store::in_child([&] { run(); });
        while (count(watched) < wanted && count("/_data") < kFiles) ::sched_yield();
        child.kill_and_reap();
        int before = count("/_data");
        if (before > 0 && before < kFiles) ++halves;
        finish_copy_up(volume());
        int after = count("/_data");
        EXPECT_TRUE(after == 0 || after == kFiles) << after;
        if (before > 0) EXPECT_EQ(after, kFiles);
        if (after > 0) EXPECT_EQ(status("").st_mode & 07777, 0711U);
        EXPECT_THAT(store::names_in(volume()), ElementsAre("_data"));
        // The next use begins anew, or finds all.
        run();
        EXPECT_EQ(count("/_data"), kFiles);
        sys::remove_tree_at(AT_FDCWD, volume() + "/_data");
        sys::make_dirs(volume() + "/_data");
    }
    RecordProperty("half moved", halves);
}

}  // namespace
}  // namespace berth::engine

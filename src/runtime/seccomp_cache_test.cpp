// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "runtime/seccomp.h"
#include "sys/file.h"

namespace berth::runtime {
namespace {

class SeccompCacheTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "berth-cache-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        parent_ = pattern;
        folder_ = parent_ + "/a/seccomp";
    }
    void TearDown() override { sys::remove_tree_at(AT_FDCWD, parent_); }

    std::vector<std::string> files() const {
        UniqueFd dir = sys::open_file(folder_, O_RDONLY | O_DIRECTORY);
        return sys::list_dir(dir.get());
    }
    std::string only_file() const {
        auto names = files();
        EXPECT_EQ(names.size(), 1U);
        return folder_ + '/' + names.at(0);
    }
    static spec::Seccomp profile(uint32_t errno_value = 1) {
        return {.defaultAction = "SCMP_ACT_ALLOW",
                .syscalls = {{.names = {"getppid"}, .action = "SCMP_ACT_ERRNO", .errnoRet = errno_value}}};
    }
    static bool same(const CompiledFilter& one, const CompiledFilter& other) {
        return one.flags == other.flags && one.notify == other.notify &&
               one.instructions.size() == other.instructions.size() &&
               memcmp(one.instructions.data(), other.instructions.data(),
                      one.instructions.size() * sizeof(sock_filter)) == 0;
    }
    /// After `damage` to its file the cache still gives the right filter, and puts a sound file in its place.
    void expect_not_read_after(const std::function<void(const std::string&)>& damage) {
        SeccompCache cache(folder_);
        CompiledFilter first = cache.get(profile());
        std::string path = only_file();
        std::string content = sys::read_file(path);
        damage(path);
        EXPECT_TRUE(same(cache.get(profile()), first));

        struct stat replaced{}, used{};
        ASSERT_EQ(lstat(path.c_str(), &replaced), 0);
        ASSERT_EQ(replaced.st_mode, mode_t{S_IFREG | 0600});
        EXPECT_EQ(replaced.st_uid, geteuid());
        EXPECT_EQ(sys::read_file(path), content);
        EXPECT_TRUE(same(cache.get(profile()), first));
        ASSERT_EQ(lstat(path.c_str(), &used), 0);
        EXPECT_EQ(replaced.st_ino, used.st_ino) << "it was compiled again";
    }
    static void edit(const std::string& path, const std::function<void(std::string&)>& change) {
        std::string data = sys::read_file(path);
        change(data);
        UniqueFd fd = sys::open_file(path, O_WRONLY | O_TRUNC);
        sys::write_all(fd.get(), data, path);
    }

    std::string parent_;
    std::string folder_;
};

TEST_F(SeccompCacheTest, AHitIsWhatWasCompiled) {
    SeccompCache cache(folder_);
    spec::Seccomp full = profile();
    full.flags = {"SECCOMP_FILTER_FLAG_LOG"};
    full.listenerPath = "/one";
    full.syscalls.push_back({.names = {"getuid"}, .action = "SCMP_ACT_NOTIFY"});
    CompiledFilter miss = cache.get(full);
    struct stat before{}, after{};
    ASSERT_EQ(stat(only_file().c_str(), &before), 0);
    full.listenerPath = "/two";
    CompiledFilter hit = cache.get(full);
    ASSERT_EQ(stat(only_file().c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino) << "it was compiled again";
    EXPECT_TRUE(same(miss, compile_seccomp(full)));
    EXPECT_TRUE(same(miss, hit));
    EXPECT_TRUE(hit.notify);
}

TEST_F(SeccompCacheTest, OnlyTheOwnerSeesIt) {
    SeccompCache(folder_).get(profile());
    struct stat folder{}, file{};
    ASSERT_EQ(stat(folder_.c_str(), &folder), 0);
    ASSERT_EQ(stat(only_file().c_str(), &file), 0);
    EXPECT_EQ(folder.st_mode & 07777, 0700U);
    EXPECT_EQ(file.st_mode & 077, 0U);
}

TEST_F(SeccompCacheTest, AFileWithAnotherKeyIsNotUsed) {
    // As after a collision of hashes: the other profile's file under this one's name.
    SeccompCache cache(folder_);
    CompiledFilter one = cache.get(profile(1));
    std::string name_of_one = only_file();
    cache.get(profile(2));
    for (const std::string& name : files())
        if (std::string other = folder_ + '/' + name; other != name_of_one)
            ASSERT_EQ(rename(other.c_str(), name_of_one.c_str()), 0);
    EXPECT_TRUE(same(cache.get(profile(1)), one));
}

TEST_F(SeccompCacheTest, InvalidProfilesFailOnAHitToo) {
    SeccompCache cache(folder_);
    spec::Seccomp notify = profile();
    notify.listenerPath = "/one";
    notify.syscalls[0] = {.names = {"getuid"}, .action = "SCMP_ACT_NOTIFY"};
    cache.get(notify);
    notify.listenerPath.clear();
    EXPECT_THROW(cache.get(notify), Error);
}

TEST_F(SeccompCacheTest, DamagedFilesAreReplaced) {
    expect_not_read_after(
        [](const std::string& path) { edit(path, [](std::string& data) { data.pop_back(); }); });
}
TEST_F(SeccompCacheTest, EmptyFilesAreReplaced) {
    expect_not_read_after(
        [](const std::string& path) { edit(path, [](std::string& data) { data.clear(); }); });
}
TEST_F(SeccompCacheTest, FlippedBitsAreFound) {
    expect_not_read_after(
        [](const std::string& path) { edit(path, [](std::string& data) { data.back() ^= 1; }); });
}
TEST_F(SeccompCacheTest, FlippedFlagsAreFound) {
    expect_not_read_after(
        [](const std::string& path) { edit(path, [](std::string& data) { data[16] ^= 1; }); });
}
TEST_F(SeccompCacheTest, FilesThatOthersMayWriteAreReplaced) {
    expect_not_read_after([](const std::string& path) { ASSERT_EQ(chmod(path.c_str(), 0666), 0); });
}
TEST_F(SeccompCacheTest, FilesOfOthersAreReplaced) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
    expect_not_read_after([](const std::string& path) { ASSERT_EQ(chown(path.c_str(), 12345, 12345), 0); });
}
TEST_F(SeccompCacheTest, SymlinksAreReplaced) {
    expect_not_read_after([this](const std::string& path) {
        ASSERT_EQ(rename(path.c_str(), (parent_ + "/moved").c_str()), 0);
        ASSERT_EQ(symlink((parent_ + "/moved").c_str(), path.c_str()), 0);
        ASSERT_EQ(lchown(path.c_str(), geteuid(), getegid()), 0);
    });
}
TEST_F(SeccompCacheTest, FifosAndFoldersAreReplaced) {
    expect_not_read_after([](const std::string& path) {
        ASSERT_EQ(unlink(path.c_str()), 0);
        ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    });
    expect_not_read_after([](const std::string& path) {
        ASSERT_EQ(unlink(path.c_str()), 0);
        ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
    });
}

TEST_F(SeccompCacheTest, AFolderThatOthersMayWriteIsNotUsed) {
    sys::make_dirs(folder_);
    ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
    EXPECT_FALSE(SeccompCache(folder_).get(profile()).instructions.empty());
    EXPECT_TRUE(files().empty());
}

TEST_F(SeccompCacheTest, ACacheThatCannotBeWrittenIsNoFailure) {
    EXPECT_FALSE(SeccompCache("/proc/self/no/seccomp").get(profile()).instructions.empty());
}

TEST_F(SeccompCacheTest, DoesNotGrowWithoutBound) {
    SeccompCache cache(folder_);
    cache.get(profile(1));
    std::string oldest = only_file();
    // Older than the rest without waiting.
    timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, oldest.c_str(), times, 0), 0);
    for (uint32_t i = 2; i <= SeccompCache::kMaxEntries + 3; ++i) cache.get(profile(i));
    EXPECT_EQ(files().size(), SeccompCache::kMaxEntries);
    EXPECT_FALSE(sys::exists(oldest));
}

}  // namespace
}  // namespace berth::runtime

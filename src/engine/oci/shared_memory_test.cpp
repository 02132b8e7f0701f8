// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/process.h"

namespace berth::engine {

namespace {

/// What happens is told by an exit code: the mounts are made in a mount namespace of a child's own.
int mount_and_unmount(const std::string& folder) {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return 1;
    auto file = [&] { return sys::exists(folder + "/kept"); };
    mount_shared_memory(folder, 8192);
    UniqueFd kept = sys::open_file(folder + "/kept", O_WRONLY | O_CREAT, 0600);
    kept.reset();
    struct statfs filesystem{};
    struct stat info{};
    if (statfs(folder.c_str(), &filesystem) != 0 || filesystem.f_blocks * filesystem.f_bsize != 8192)
        return 2;
    if (stat(folder.c_str(), &info) != 0 || (info.st_mode & 07777) != 01777) return 3;
    mount_shared_memory(folder, 8192);
    if (!file()) return 4;
    unmount_shared_memory(folder);
    if (file()) return 5;
    unmount_shared_memory(folder);
    unmount_shared_memory(folder + "/absent");
    return 0;
}

TEST(SharedMemory, IsMountedOnce) {
    if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    std::string pattern = testing::TempDir() + "berth-shm-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    sys::Child child = sys::fork_child();
    if (!child) {
        int code = 100;
        try {
            code = mount_and_unmount(pattern + "/a/shm");
        } catch (...) {
        }
        _exit(code);
    }
    EXPECT_EQ(child.wait().code, 0);
    UniqueFd parent = sys::open_file(testing::TempDir(), O_RDONLY | O_DIRECTORY);
    sys::remove_tree_at(parent.get(), pattern.substr(pattern.rfind('/') + 1));
}

}  // namespace

}  // namespace berth::engine

// SPDX-License-Identifier: Apache-2.0
#include "self_protect.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/error.h"
#include "sys/file.h"

namespace berth {

namespace {

constexpr const char* kOwnExecutable = "/proc/self/exe";
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// open_tree(2) and mount_setattr(2) have no wrapper in glibc before 2.36.
int open_tree(int dir, const char* path, unsigned flags) {
    return static_cast<int>(syscall(SYS_open_tree, dir, path, flags));
}
int mount_setattr(int fd, const mount_attr& attributes) {
    return static_cast<int>(
        syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)));
}

bool on_detached_read_only_mount() {
    // The path of a mount's root that is attached nowhere is "/". Nothing else that can be executed has that
    // path: the root of a process is a folder.
    std::array<char, 8> path{};
    if (readlink(kOwnExecutable, path.data(), path.size()) != 1 || path[0] != '/') return false;
    struct statvfs info;
    return statvfs(kOwnExecutable, &info) == 0 && (info.f_flag & ST_RDONLY);
}

bool in_sealed_memory() {
    UniqueFd self(open(kOwnExecutable, O_RDONLY | O_CLOEXEC));
    int seals = self ? fcntl(self.get(), F_GET_SEALS) : -1;
    return seals >= 0 && (seals & kSeals) == kSeals;
}

/// Empty where this process may not mount.
UniqueFd read_only_mount() {
    UniqueFd mount(open_tree(AT_FDCWD, kOwnExecutable, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (!mount || mount_setattr(mount.get(), attributes) < 0) return {};
    return mount;
}

UniqueFd sealed_copy() {
    UniqueFd self = sys::open_file(kOwnExecutable, O_RDONLY);
    struct stat info;
    sys::check(fstat(self.get(), &info), "fstat /proc/self/exe");
    // MFD_EXEC is unknown before Linux 6.3, and needed after it where vm.memfd_noexec is set.
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING, kMfdExec = 0x10;
    int fd = memfd_create("berth-shim", kFlags | kMfdExec);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("berth-shim", kFlags);
    UniqueFd copy(sys::check(fd, "memfd_create"));
    for (off_t done = 0; done < info.st_size;) {
        ssize_t count = sys::check(sys::retry([&] {
                                       return sendfile(copy.get(), self.get(), &done,
                                                       static_cast<size_t>(info.st_size - done));
                                   }),
                                   "copy /proc/self/exe");
        if (count == 0) throw Error(ErrorKind::internal, "copy /proc/self/exe: it became shorter meanwhile");
    }
    sys::check(fcntl(copy.get(), F_ADD_SEALS, kSeals), "seal the copy of /proc/self/exe");
    return copy;
}

}  // namespace

bool own_executable_protected() {
    return on_detached_read_only_mount() || in_sealed_memory();
}

void protect_own_executable(char** argv) {
    if (own_executable_protected()) {
        // The kernel may have named us after a descriptor's number.
        const char* slash = std::strrchr(argv[0], '/');
        prctl(PR_SET_NAME, slash ? slash + 1 : argv[0]);
        return;
    }
    UniqueFd executable = read_only_mount();
    if (!executable) executable = sealed_copy();
    execveat(executable.get(), "", argv, environ, AT_EMPTY_PATH);
    throw errno_error(errno, "execute a protected copy of this program");
}

}  // namespace berth

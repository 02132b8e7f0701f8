// SPDX-License-Identifier: Apache-2.0
// Paths in the container's root file system. Its content is hostile and may change while we look at it, so
// each path is resolved by the kernel beneath the root, once; what follows works on the descriptor.
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

constexpr uint64_t kInRoot = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
constexpr int kMaxLinks = 40;  // as the kernel's own limit

/// The folder part of `path` and where the last name begins. False if there is no name ("/").
bool split_path(const char* path, char (&parent)[PATH_MAX], const char** name) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') --end;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') --begin;
    if (begin == end || begin >= sizeof parent) return false;
    memcpy(parent, path, begin);
    parent[begin] = '\0';
    if (begin == 0) memcpy(parent, ".", 2);
    *name = path + begin;
    return true;
}

int make_folders(Child& child, const char* path, int links);

/// Where a dangling symlink at `name` in `folder` leads: the text of a path below the root.
int follow_link(int folder, const char* parent, const char* name, char (&target)[PATH_MAX]) {
    char link[PATH_MAX];
    long length = call(SYS_readlinkat, folder, name, link, sizeof link - 1);
    if (length < 0) return static_cast<int>(length);
    link[length] = '\0';
    size_t prefix = link[0] == '/' ? 0 : strlen(parent);
    if (prefix + static_cast<size_t>(length) + 2 > sizeof target) return -ENAMETOOLONG;
    memcpy(target, parent, prefix);
    target[prefix] = '/';
    memcpy(target + prefix + 1, link, static_cast<size_t>(length) + 1);
    return 0;
}

int make_target(Child& child, const char* path, bool folder, int links) {
    int fd = open_beneath(child.root, path, O_PATH, 0, kInRoot);
    if (fd != -ENOENT) return fd;
    if (folder) return make_folders(child, path, links);

    char parent[PATH_MAX];
    const char* name = nullptr;
    if (!split_path(path, parent, &name)) return -EINVAL;
    ScopedFd holder(make_folders(child, parent, links));
    if (holder.get() < 0) return holder.get();
    fd = static_cast<int>(
        call(SYS_openat, holder.get(), name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0755));
    if (fd >= 0) {
        close_fd(fd);
        return open_beneath(holder.get(), name, O_PATH | O_NOFOLLOW, 0,
                            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    }
    if (fd != -EEXIST) return fd;
    char target[PATH_MAX];
    int result = follow_link(holder.get(), parent, name, target);
    if (result < 0) return result == -EINVAL ? open_beneath(child.root, path, O_PATH, 0, kInRoot) : result;
    return links >= kMaxLinks ? -ELOOP : make_target(child, target, folder, links + 1);
}

int make_folders(Child& child, const char* path, int links) {
    int fd = open_beneath(child.root, path, O_PATH | O_DIRECTORY, 0, kInRoot);
    if (fd != -ENOENT) return fd;
    char parent[PATH_MAX];
    const char* name = nullptr;
    if (!split_path(path, parent, &name)) return -EINVAL;
    char last[NAME_MAX + 1];
    size_t length = strlen(name);
    while (length > 0 && name[length - 1] == '/') --length;
    if (length > NAME_MAX) return -ENAMETOOLONG;
    memcpy(last, name, length);
    last[length] = '\0';

    ScopedFd holder(make_folders(child, parent, links));
    if (holder.get() < 0) return holder.get();
    long made = call(SYS_mkdirat, holder.get(), last, 0755);
    if (made == 0)
        return open_beneath(holder.get(), last, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
    if (made != -EEXIST) return static_cast<int>(made);
    // It was made meanwhile, is "..", or is a symlink that dangles: whose target is made then.
    char target[PATH_MAX];
    int result = follow_link(holder.get(), parent, last, target);
    if (result == -EINVAL) return open_beneath(child.root, path, O_PATH | O_DIRECTORY, 0, kInRoot);
    if (result < 0) return result;
    return links >= kMaxLinks ? -ELOOP : make_folders(child, target, links + 1);
}

}  // namespace

int open_destination(const Child& child, const char* path, int flags) {
    return open_beneath(child.root, path, static_cast<uint64_t>(O_PATH | flags), 0, kInRoot);
}

int make_destination(Child& child, const char* path, bool folder) {
    child.step = Step::create_destination;
    return make_target(child, path, folder, 0);
}

int make_own_destination(Child& child, const char* path) {
    const char* name = nullptr;
    ScopedFd holder(make_parent(child, path, &name));
    if (holder.get() < 0) return holder.get();
    long made =
        call(SYS_openat, holder.get(), name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0755);
    if (made < 0 && made != -EEXIST) return static_cast<int>(made);
    if (made >= 0) close_fd(static_cast<int>(made));
    return open_beneath(holder.get(), name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int make_parent(Child& child, const char* path, const char** name) {
    child.step = Step::create_destination;
    char parent[PATH_MAX];
    if (!split_path(path, parent, name)) return -EINVAL;
    return make_folders(child, parent, 0);
}

int run(Child& child, const MakeFolder& op) {
    ScopedFd fd(make_destination(child, op.destination, true));
    return fd.get() < 0 ? fd.get() : 0;
}

int run(Child& child, const MakeSymlink& op) {
    const char* name = nullptr;
    ScopedFd holder(make_parent(child, op.destination, &name));
    if (holder.get() < 0) return holder.get();
    long result = call(SYS_symlinkat, op.target, holder.get(), name);
    return result == -EEXIST ? 0 : static_cast<int>(result);
}

int run(Child& child, const MakeDevice& op) {
    const char* name = nullptr;
    ScopedFd holder(make_parent(child, op.destination, &name));
    if (holder.get() < 0) return holder.get();
    long made = call(SYS_mknodat, holder.get(), name, op.mode, op.device);
    if (made == -EPERM && !S_ISFIFO(op.mode)) {
        // The device cgroup allows no mknod of it: the host's own node does as well, if there is one.
        int bound = run(child, BindDevice{op.destination, op.destination, op.mode, op.device});
        return bound == -ENOENT ? -EPERM : bound;
    }
    if (made < 0 && made != -EEXIST) return static_cast<int>(made);

    ScopedFd node(
        open_beneath(holder.get(), name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
    if (node.get() < 0) return node.get();
    struct stat found{};
    if (long result = call(SYS_newfstatat, node.get(), "", &found, AT_EMPTY_PATH); result < 0)
        return static_cast<int>(result);
    // A plain file in the device's place (images have them) is covered, anything else is refused.
    if (S_ISREG(found.st_mode) && !S_ISFIFO(op.mode))
        return bind_device(child, {op.destination, op.destination, op.mode, op.device}, node.get());
    child.step = Step::not_the_device;
    if ((found.st_mode & S_IFMT) != (op.mode & S_IFMT) || found.st_rdev != op.device) return -EEXIST;
    if (made == -EEXIST) return 0;  // the image's own: its owner and mode stay
    child.step = Step::set_ids;
    return static_cast<int>(call(SYS_fchownat, node.get(), "", op.uid, op.gid, AT_EMPTY_PATH));
}

}  // namespace berth::launch

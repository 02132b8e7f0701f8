// SPDX-License-Identifier: Apache-2.0
// Mounts, with the descriptor-based mount API (fsopen(2), open_tree(2), move_mount(2), mount_setattr(2)): a
// mount is made detached, gets its attributes, and only then appears, on the very object that the destination
// was resolved to. A symlink that is exchanged between look-up and mount changes nothing (CVE-2021-30465).
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

constexpr uint64_t kProcRootInode = 1;

int set_attributes(Child& child, int mount, const MountAttributes& attributes) {
    child.step = Step::set_attributes;
    auto apply = [&](uint64_t set, uint64_t clear, unsigned flags) {
        if (set == 0 && clear == 0) return 0;
        int result = set_mount_attr(mount, "", AT_EMPTY_PATH | flags, {.attr_set = set, .attr_clr = clear});
        // In a user namespace the host's restrictions (ro, nosuid, …) are locked and can't be lifted: they
        // stay.
        if (result == -EPERM && clear != 0 && set == 0) return 0;
        if (result == -EPERM && clear != 0)
            return set_mount_attr(mount, "", AT_EMPTY_PATH | flags, {.attr_set = set});
        return result;
    };
    if (int result = apply(attributes.recursive_set, attributes.recursive_clear, AT_RECURSIVE); result < 0)
        return result;
    return apply(attributes.set, attributes.clear, 0);
}

int set_propagation(Child& child, int mount, const PropagationList& list) {
    child.step = Step::set_propagation;
    for (size_t i = 0; i < list.count; ++i) {
        int result = set_mount_attr(mount, "", AT_EMPTY_PATH | (list.items[i].recursive ? AT_RECURSIVE : 0U),
                                    {.propagation = list.items[i].type});
        if (result < 0) return result;
    }
    return 0;
}

bool stat_fd(int fd, struct stat& found) {
    return call(SYS_newfstatat, fd, "", &found, AT_EMPTY_PATH) == 0;
}

bool is_procfs(int fd) {
    struct statfs type{};
    return call(SYS_fstatfs, fd, &type) == 0 && type.f_type == PROC_SUPER_MAGIC;
}

/// What may be mounted over in /proc. Anything else there lets an image hide or fake what the runtime and the
/// kernel's interfaces rely on (CVE-2019-16884). Judged by the object that the destination was resolved to,
/// not by its name.
bool proc_allows(const char* destination, int target, int mount) {
    static constexpr const char* kAllowed[] = {
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/slabinfo",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
    };
    struct stat source{};
    bool is_proc_root = is_procfs(mount) && stat_fd(mount, source) && source.st_ino == kProcRootInode;
    if (!is_procfs(target)) return strcmp(destination, "/proc") != 0 || is_proc_root;
    struct stat found{};
    if (!stat_fd(target, found)) return false;
    if (found.st_ino == kProcRootInode) return is_proc_root;
    for (const char* allowed : kAllowed)
        if (strcmp(destination, allowed) == 0) return true;
    return false;
}

int attach(Child& child, int mount, int target, const char* destination, const PropagationList& propagation) {
    child.step = Step::proc_safety;
    if (!proc_allows(destination, target, mount)) return -EPERM;
    child.step = Step::attach;
    if (int result = move_mount_fd(mount, target); result < 0) return result;
    return set_propagation(child, mount, propagation);
}

int make_filesystem(Child& child, const MountNew& op) {
    child.step = Step::fsopen;
    child.detail = op.type;
    ScopedFd fs(fs_open(op.type));
    if (fs.get() < 0) return fs.get();
    child.step = Step::fsconfig;
    for (size_t i = 0; i < op.entry_count; ++i) {
        const ConfigEntry& entry = op.entries[i];
        child.detail = entry.key;
        int result = entry.value != nullptr ? fs_set_string(fs.get(), entry.key, entry.value)
                                            : fs_set_flag(fs.get(), entry.key);
        if (result < 0 && !(entry.optional && result == -EINVAL)) return result;
    }
    child.detail = nullptr;
    child.step = Step::fscreate;
    if (int result = fs_create(fs.get()); result < 0) return result;
    child.step = Step::fsmount;
    // Read-only comes after what is copied up. A user namespace may mount proc and sysfs only with the
    // restrictions of those it already sees, so the other attributes are there from the beginning.
    unsigned attributes = static_cast<unsigned>(op.attributes.set);
    if (op.copy_up || op.inherit_mode) attributes &= ~static_cast<unsigned>(MOUNT_ATTR_RDONLY);
    return fs_mount(fs.get(), attributes);
}

/// The new file system takes over from the folder that it will cover.
int take_over(Child& child, const MountNew& op, int mount, int target, bool existed) {
    if (!existed || (!op.copy_up && !op.inherit_mode)) return 0;
    child.step = Step::copy_up;
    struct stat covered{};
    if (!stat_fd(target, covered)) return -EIO;
    ScopedFd top(open_beneath(mount, ".", O_RDONLY | O_DIRECTORY, 0, 0));
    if (top.get() < 0) return top.get();
    if (op.copy_up) {
        ScopedFd from(open_beneath(target, ".", O_RDONLY | O_DIRECTORY, 0, 0));
        if (from.get() < 0) return from.get();
        if (int result = copy_tree(from.get(), top.get()); result < 0) return result;
        call(SYS_fchown, top.get(), covered.st_uid, covered.st_gid);
    }
    if (op.inherit_mode) return static_cast<int>(call(SYS_fchmod, top.get(), covered.st_mode & 07777));
    return 0;
}

}  // namespace

int run(Child& child, const SetPropagation& op) {
    child.step = Step::set_propagation;
    return set_mount_attr(AT_FDCWD, op.path, op.recursive ? AT_RECURSIVE : 0U, {.propagation = op.type});
}

int run(Child& child, const AttachRoot& op) {
    child.step = Step::open_source;
    ScopedFd null(static_cast<int>(call(SYS_openat, AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC, 0)));
    if (null.get() < 0) return null.get();
    struct stat device{};
    if (!stat_fd(null.get(), device)) return -EIO;
    child.step = Step::not_the_device;
    if (!S_ISCHR(device.st_mode) || device.st_rdev != makedev(1, 3)) return -ENODEV;

    child.step = Step::open_source;
    ScopedFd tree(op.mount_fd >= 0 ? op.mount_fd
                                   : open_tree_fd(AT_FDCWD, op.path, OPEN_TREE_CLONE | AT_RECURSIVE));
    if (tree.get() < 0) return tree.get();
    child.step = Step::open_destination;
    ScopedFd place(
        static_cast<int>(call(SYS_openat, AT_FDCWD, op.path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0)));
    // Root of a user namespace may be kept out of a folder above; any other place will do for the few moments
    // until the root changes.
    ScopedFd elsewhere(place.get() == -EACCES ? open_beneath(AT_FDCWD, "/sys", O_PATH | O_DIRECTORY, 0, 0)
                                              : -1);
    int target = place.get() == -EACCES ? elsewhere.get() : place.get();
    if (target < 0) return target;
    child.step = Step::attach;
    if (int result = move_mount_fd(tree.get(), target); result < 0) return result;
    // pivot_root(2) refuses a shared new root.
    child.step = Step::set_propagation;
    if (int result = set_mount_attr(tree.get(), "", AT_EMPTY_PATH, {.propagation = MS_PRIVATE}); result < 0)
        return result;
    child.root = tree.release();
    child.null_device = null.release();
    return 0;
}

int run(Child& child, const ChangeRoot& op) {
    if (long result = call(SYS_fchdir, op.fd); result < 0) return static_cast<int>(result);
    if (long result = call(SYS_chroot, "."); result < 0) return static_cast<int>(result);
    child.root = open_beneath(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);
    return child.root < 0 ? child.root : 0;
}

int run(Child& child, const MountNew& op) {
    child.step = Step::open_destination;
    ScopedFd target(open_destination(child, op.destination, op.plain_folder ? O_NOFOLLOW : 0));
    bool existed = target.get() >= 0;
    if (!existed && target.get() != -ENOENT) return target.get();
    ScopedFd made(existed ? -1 : make_destination(child, op.destination, true));
    if (!existed && made.get() < 0) return made.get();
    int place = existed ? target.get() : made.get();
    if (op.plain_folder) {
        struct stat found{};
        child.step = Step::not_a_folder;
        if (!stat_fd(place, found) || !S_ISDIR(found.st_mode)) return -ENOTDIR;
    }

    ScopedFd mount(make_filesystem(child, op));
    if (mount.get() < 0) return mount.get();
    if (int result = take_over(child, op, mount.get(), place, existed); result < 0) return result;
    if (int result = set_attributes(child, mount.get(), op.attributes); result < 0) return result;
    return attach(child, mount.get(), place, op.destination, op.propagation);
}

int run(Child& child, const MountBind& op) {
    child.step = Step::open_source;
    ScopedFd tree(op.tree_fd >= 0 ? op.tree_fd
                                  : open_tree_fd(AT_FDCWD, op.source_path,
                                                 OPEN_TREE_CLONE | (op.recursive ? AT_RECURSIVE : 0U)));
    if (tree.get() < 0) return tree.get();
    if (int result = set_attributes(child, tree.get(), op.attributes); result < 0) return result;
    struct stat source{};
    if (!stat_fd(tree.get(), source)) return -EIO;
    ScopedFd target(make_destination(child, op.destination, S_ISDIR(source.st_mode)));
    if (target.get() < 0) return target.get();
    struct stat place{};
    child.step = S_ISDIR(source.st_mode) ? Step::not_a_folder : Step::not_a_file;
    if (stat_fd(target.get(), place) && S_ISDIR(place.st_mode) != S_ISDIR(source.st_mode))
        return S_ISDIR(source.st_mode) ? -ENOTDIR : -EISDIR;
    bool on_root = strcmp(op.destination, "/") == 0;
    if (int result = attach(child, tree.get(), target.get(), op.destination, op.propagation); result < 0)
        return result;
    if (on_root) {
        close_fd(child.root);
        child.root = tree.release();
    }
    return 0;
}

int run(Child& child, const Remount& op) {
    child.step = Step::open_destination;
    ScopedFd target(open_destination(child, op.destination));
    if (target.get() < 0) return target.get();
    if (int result = set_attributes(child, target.get(), op.attributes); result < 0) return result;
    return set_propagation(child, target.get(), op.propagation);
}

int bind_device(Child& child, const BindDevice& op, int target) {
    child.step = Step::open_source;
    ScopedFd tree(open_tree_fd(AT_FDCWD, op.source, OPEN_TREE_CLONE));
    if (tree.get() < 0) return tree.get();
    struct stat found{};
    if (!stat_fd(tree.get(), found)) return -EIO;
    child.step = Step::not_the_device;
    if ((found.st_mode & S_IFMT) != (op.mode & S_IFMT) || found.st_rdev != op.device) return -ENODEV;
    return attach(child, tree.get(), target, op.destination, {});
}

int run(Child& child, const BindDevice& op) {
    ScopedFd target(make_own_destination(child, op.destination));
    return target.get() < 0 ? target.get() : bind_device(child, op, target.get());
}

int run(Child& child, const ReadonlyPath& op) {
    child.step = Step::open_destination;
    ScopedFd target(open_destination(child, op.destination));
    if (target.get() == -ENOENT || target.get() == -ENOTDIR) return 0;
    if (target.get() < 0) return target.get();
    child.step = Step::open_source;
    ScopedFd tree(open_tree_fd(target.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE));
    if (tree.get() < 0) return tree.get();
    child.step = Step::set_attributes;
    int result =
        set_mount_attr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, {.attr_set = MOUNT_ATTR_RDONLY});
    if (result < 0) return result;
    child.step = Step::attach;
    return move_mount_fd(tree.get(), target.get());
}

int run(Child& child, const MaskPath& op) {
    child.step = Step::open_destination;
    ScopedFd target(open_destination(child, op.destination));
    if (target.get() == -ENOENT || target.get() == -ENOTDIR) return 0;
    if (target.get() < 0) return target.get();
    struct stat found{};
    if (!stat_fd(target.get(), found)) return -EIO;
    bool folder = S_ISDIR(found.st_mode);

    if (folder && child.empty_folder < 0) {
        MountNew empty{};
        ConfigEntry entries[] = {{"size", "0"}, {"nr_inodes", "1"}, {"mode", "0755"}};
        empty.type = "tmpfs";
        empty.entries = entries;
        empty.entry_count = 3;
        empty.attributes.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        ScopedFd mount(make_filesystem(child, empty));
        if (mount.get() < 0) return mount.get();
        child.step = Step::attach;
        if (int result = move_mount_fd(mount.get(), target.get()); result < 0) return result;
        child.empty_folder = mount.release();
        return 0;
    }
    // The null device is the host's own, opened and verified before anything of the container was touched:
    // what the image has at /dev/null plays no part (CVE-2025-31133).
    child.step = Step::open_source;
    ScopedFd cover(
        open_tree_fd(folder ? child.empty_folder : child.null_device, "", AT_EMPTY_PATH | OPEN_TREE_CLONE));
    if (cover.get() < 0) return cover.get();
    if (!folder) {
        // It is the host's inode: mode, owner and times must not be the container's to change. What is
        // written to a device is not held up by a read-only mount.
        child.step = Step::set_attributes;
        int result = set_mount_attr(cover.get(), "", AT_EMPTY_PATH,
                                    {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC});
        if (result < 0) return result;
    }
    child.step = Step::attach;
    return move_mount_fd(cover.get(), target.get());
}

int run(Child& child, const HideMount& op) {
    if (call(SYS_umount2, op.path, MNT_DETACH) == 0) return 0;
    MountNew empty{};
    empty.type = "tmpfs";
    empty.attributes.set = MOUNT_ATTR_RDONLY;
    ScopedFd mount(make_filesystem(child, empty));
    if (mount.get() < 0) return mount.get();
    child.step = Step::attach;
    return static_cast<int>(
        call(SYS_move_mount, mount.get(), "", AT_FDCWD, op.path, MOVE_MOUNT_F_EMPTY_PATH));
}

int run(Child& child, const EnterRoot& op) {
    child.step = Step::attach;
    if (long result = call(SYS_fchdir, child.root); result < 0) return static_cast<int>(result);
    if (op.how == RootChange::pivot) {
        // pivot_root(".", "."): the old root ends up on top of the new one and is taken away there, so that
        // no folder for it is needed (pivot_root(2), NOTES).
        ScopedFd old_root(open_beneath(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0));
        if (old_root.get() < 0) return old_root.get();
        if (long result = call(SYS_pivot_root, ".", "."); result < 0) return static_cast<int>(result);
        if (long result = call(SYS_fchdir, old_root.get()); result < 0) return static_cast<int>(result);
        // The unmount must not travel to the host, whatever rootfsPropagation asked for.
        if (int result = set_mount_attr(AT_FDCWD, ".", AT_RECURSIVE, {.propagation = MS_SLAVE}); result < 0)
            return result;
        if (long result = call(SYS_umount2, ".", MNT_DETACH); result < 0) return static_cast<int>(result);
    } else {
        if (op.how == RootChange::move) {
            // An initial ramfs can't be pivoted away from (kernel: ramfs-rootfs-initramfs.rst): cover it.
            long moved = call(SYS_move_mount, child.root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
            if (moved < 0) return static_cast<int>(moved);
        }
        if (long result = call(SYS_chroot, "."); result < 0) return static_cast<int>(result);
    }
    if (child.null_device >= 0) close_fd(child.null_device);
    if (child.empty_folder >= 0) close_fd(child.empty_folder);
    child.null_device = child.empty_folder = -1;
    return static_cast<int>(call(SYS_chdir, "/"));
}

int run(Child& child, const SetRootPropagation& op) {
    child.step = Step::set_propagation;
    return set_mount_attr(AT_FDCWD, "/", op.recursive ? AT_RECURSIVE : 0U, {.propagation = op.type});
}

int run(Child& child, const SetRootReadonly&) {
    child.step = Step::set_attributes;
    return set_mount_attr(AT_FDCWD, "/", 0, {.attr_set = MOUNT_ATTR_RDONLY});
}

}  // namespace berth::launch

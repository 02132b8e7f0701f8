// SPDX-License-Identifier: Apache-2.0
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

/// "/dev/pts/7" without the formatting functions of libc.
size_t terminal_name(unsigned number, char (&name)[32]) {
    memcpy(name, "/dev/pts/", 9);
    char digits[12];
    size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t i = 0; i < count; ++i) name[9 + i] = digits[count - 1 - i];
    name[9 + count] = '\0';
    return 9 + count;
}

/// As console sockets expect it (runc's docs/terminals.md): the master by SCM_RIGHTS, its slave's path as the
/// data.
int send_master(int socket, int master, unsigned number) {
    char name[32];
    iovec part{name, terminal_name(number, name)};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof master);
    long sent = call(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);
    return sent < 0 ? static_cast<int>(sent) : 0;
}

}  // namespace

int run(Child& child, const OpenConsole& op) {
    // The multiplexer of the container's own devpts, checked to be that: an image that puts something else
    // there, or swaps it while we look, gets an error instead of our descriptor (CVE-2025-52565).
    child.step = Step::open_destination;
    ScopedFd master(open_beneath(child.root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0,
                                 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
    if (master.get() < 0) return master.get();
    struct statfs type{};
    struct stat found{};
    if (long result = call(SYS_fstatfs, master.get(), &type); result < 0) return static_cast<int>(result);
    if (long result = call(SYS_newfstatat, master.get(), "", &found, AT_EMPTY_PATH); result < 0)
        return static_cast<int>(result);
    child.step = Step::not_devpts;
    if (type.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(found.st_mode) || found.st_rdev != makedev(5, 2))
        return -ENODEV;

    child.step = Step::none;
    int unlocked = 0;
    if (long result = call(SYS_ioctl, master.get(), TIOCSPTLCK, &unlocked); result < 0)
        return static_cast<int>(result);
    unsigned number = 0;
    if (long result = call(SYS_ioctl, master.get(), TIOCGPTN, &number); result < 0)
        return static_cast<int>(result);
    // By the master, not by the path.
    ScopedFd slave(
        static_cast<int>(call(SYS_ioctl, master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)));
    if (slave.get() < 0) return slave.get();
    if (op.rows != 0 || op.columns != 0) {
        winsize size{op.rows, op.columns, 0, 0};
        if (long result = call(SYS_ioctl, master.get(), TIOCSWINSZ, &size); result < 0)
            return static_cast<int>(result);
    }
    child.step = Step::set_ids;
    if (long result = call(SYS_fchown, slave.get(), op.uid, -1); result < 0) return static_cast<int>(result);

    if (op.bind_console) {
        child.step = Step::open_source;
        ScopedFd tree(open_tree_fd(slave.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE));
        if (tree.get() < 0) return tree.get();
        ScopedFd target(make_own_destination(child, "/dev/console"));
        if (target.get() < 0) return target.get();
        child.step = Step::proc_safety;
        struct statfs place{};
        if (long result = call(SYS_fstatfs, target.get(), &place); result < 0)
            return static_cast<int>(result);
        if (place.f_type == PROC_SUPER_MAGIC || place.f_type == SYSFS_MAGIC) return -EPERM;
        child.step = Step::attach;
        if (int result = move_mount_fd(tree.get(), target.get()); result < 0) return result;
    }
    if (op.socket >= 0) {
        child.step = Step::send_console;
        if (int result = send_master(op.socket, master.get(), number); result < 0) return result;
    } else {
        child.master = master.release();
    }
    child.terminal = slave.release();
    return 0;
}

}  // namespace berth::launch

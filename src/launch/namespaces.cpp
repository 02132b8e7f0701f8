// SPDX-License-Identifier: Apache-2.0
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

int run(Child&, const JoinNamespace& op) {
    return static_cast<int>(call(SYS_setns, op.fd, op.type));
}

int run(Child&, const Unshare& op) {
    return static_cast<int>(call(SYS_unshare, op.flags));
}

int run(Child&, const JoinCgroup& op) {
    long written = call(SYS_write, op.fd, "0", 1);
    return written < 0 ? static_cast<int>(written) : 0;
}

int run(Child& child, const BecomeRoot&) {
    child.step = Step::set_ids;
    if (long result = call(SYS_setresgid, 0, 0, 0); result < 0) return static_cast<int>(result);
    if (long result = call(SYS_setresuid, 0, 0, 0); result < 0) return static_cast<int>(result);
    // Groups of the host's user mean nothing here. EPERM: setgroups is denied in this user namespace.
    child.step = Step::set_groups;
    long result = call(SYS_setgroups, 0, nullptr);
    return result == -EPERM ? 0 : static_cast<int>(result);
}

int run(Child&, const SetHostname& op) {
    return static_cast<int>(call(SYS_sethostname, op.name, op.length));
}
int run(Child&, const SetDomainname& op) {
    return static_cast<int>(call(SYS_setdomainname, op.name, op.length));
}

int run(Child&, const LoopbackUp&) {
    ScopedFd socket(static_cast<int>(call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
    if (socket.get() < 0) return socket.get();
    ifreq request{};
    memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return static_cast<int>(call(SYS_ioctl, socket.get(), SIOCSIFFLAGS, &request));
}

int run(Child&, const NewSessionKeyring&) {
    long result = call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    // A kernel without keyrings, or a quota of keys that is used up: the old keyring is shared then, as runc
    // does.
    return result == -ENOSYS || result == -EDQUOT || result == -EPERM || result >= 0
               ? 0
               : static_cast<int>(result);
}

int run(Child&, const NewSession&) {
    long result = call(SYS_setsid);
    return result == -EPERM || result >= 0 ? 0 : static_cast<int>(result);  // EPERM: it leads one already
}

int run(Child&, const HideFromPtrace&) {
    return static_cast<int>(call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0));
}

int run(Child& child, const OpenProc&) {
    if (child.proc >= 0) return 0;
    child.step = Step::open_source;
    ScopedFd proc(static_cast<int>(call(SYS_openat, AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0)));
    if (proc.get() < 0) return proc.get();
    struct statfs type{};
    if (long result = call(SYS_fstatfs, proc.get(), &type); result < 0) return static_cast<int>(result);
    child.step = Step::not_procfs;
    if (type.f_type != PROC_SUPER_MAGIC) return -EINVAL;
    child.proc = proc.release();
    return 0;
}

int run(Child& child, const WriteProc& op) {
    // The host's procfs is not reachable by the container. Mounts on top of its files and symlinks in it (but
    // for the kernel's self and thread-self, which are no magic links) are refused all the same:
    // CVE-2025-52881.
    child.step = Step::open_source;
    ScopedFd file(open_beneath(child.proc, op.path, O_WRONLY | O_NOFOLLOW, 0,
                               RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS));
    if (file.get() < 0) return op.may_fail ? 0 : file.get();
    struct statfs type{};
    if (long result = call(SYS_fstatfs, file.get(), &type); result < 0) return static_cast<int>(result);
    child.step = Step::not_procfs;
    if (type.f_type != PROC_SUPER_MAGIC) return -EINVAL;
    child.step = Step::none;
    long written = call(SYS_write, file.get(), op.text, op.length);
    return written < 0 && !op.may_fail ? static_cast<int>(written) : 0;
}

}  // namespace berth::launch

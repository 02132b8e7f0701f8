# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles for the tests, and the listening side of SCMP_ACT_NOTIFY."""

import fcntl
import json
import os
import select
import socket
import struct
from pathlib import Path

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CLONE_NEWANY = 0x7E020000

# What busybox, the probe and a runtime's last steps before exec call.
ORDINARY = """
accept accept4 access alarm arch_prctl bind brk capget capset chdir chmod chown clock_getres
clock_gettime clock_nanosleep close close_range connect creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_pwait epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fallocate fchdir fchmod fchmodat fchown fchownat fcntl fdatasync fgetxattr flock fork fstat
fstatfs fsync ftruncate futex getcwd getdents getdents64 getegid geteuid getgid getgroups getpeername
getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
getsockname getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init1 ioctl
ioprio_get kill lchown link linkat listen lseek lstat madvise membarrier mincore mkdir mkdirat mmap
mprotect mremap munmap nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe
pipe2 poll ppoll prctl pread64 preadv prlimit64 pselect6 pwrite64 pwritev read readlink readlinkat readv
recvfrom recvmsg rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_yield seccomp select sendfile sendmsg sendto set_robust_list
set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid
setresuid setreuid setrlimit setsid setsockopt setuid shutdown sigaltstack signalfd4 socketpair splice
stat statfs statx symlink symlinkat sync sysinfo tgkill time timer_create timer_settime times tkill
truncate umask uname unlink unlinkat utimensat vfork wait4 waitid write writev
""".split()


def docker_like() -> dict:
    """An allow list with the features of Docker's default profile: argument filters, ENOSYS for clone3."""
    def when(index, value, op, two=0):
        return {"index": index, "value": value, "valueTwo": two, "op": op}

    rules = [{"names": list(ORDINARY), "action": "SCMP_ACT_ALLOW"},
             {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [when(0, 40, "SCMP_CMP_NE")]},
             {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
              "args": [when(0, CLONE_NEWANY, "SCMP_CMP_MASKED_EQ", 0)]},
             {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]
    rules += [{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [when(0, value, "SCMP_CMP_EQ")]}
              for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)]
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules}


def one(action: str, *names: str, args=None, **more) -> dict:
    """Everything is allowed but these system calls."""
    rule = {"names": list(names), "action": action} | more
    if args:
        rule["args"] = args
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule]}


class Agent:
    """Listens at `listenerPath`, takes the notify descriptor, and answers system calls."""

    def __init__(self, path: Path):
        self.path, self.fd = path, -1
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        self.listener.settimeout(20)

    def receive(self) -> dict:
        """The container process state that came with the descriptor."""
        peer, _ = self.listener.accept()
        with peer:
            peer.settimeout(20)
            text, fds, _, _ = socket.recv_fds(peer, 65536, 4)
            self.fd = fds[0]
            while True:
                try:
                    return json.loads(text)
                except json.JSONDecodeError:
                    more = peer.recv(65536)
                    if not more:
                        raise
                    text += more

    def next(self) -> dict:
        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        if not poller.poll(20000):
            raise TimeoutError("no system call was notified")
        buffer = bytearray(80)
        fcntl.ioctl(self.fd, NOTIF_RECV, buffer)
        ident, pid, flags, number, arch, pointer, *args = struct.unpack("=QIIiIQ6Q", buffer)
        return {"id": ident, "pid": pid, "number": number, "args": args}

    def answer(self, request: dict, value=0, error=0, go_on=False) -> None:
        fcntl.ioctl(self.fd, NOTIF_SEND,
                    bytearray(struct.pack("=QqiI", request["id"], value, -error, int(go_on))))

    def close(self) -> None:
        self.listener.close()
        if self.fd >= 0:
            os.close(self.fd)

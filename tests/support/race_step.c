// SPDX-License-Identifier: Apache-2.0
//
// Makes a race deterministic. Runs a command under ptrace, with all its threads and children, and exchanges
// two files by RENAME_EXCHANGE exactly before the K-th system call that walks a path in which NEEDLE occurs.
// Tried for each K, this is every moment at which a swapping attacker can make a difference to a program that
// looks a name up more than once.
//
//   race_step REPORT NEEDLE K once|on A B COMMAND...
//     on    A and B stay exchanged
//     once  they are exchanged for that one call only
//
// REPORT gets the number of such calls. The exit status is the command's, or 128 + its signal.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

// System calls that walk paths, with the positions of the paths among their arguments.
static const struct {
    unsigned long number;
    int paths[2];
} kWalks[] = {
    {SYS_open, {0, -1}},       {SYS_openat, {1, -1}},        {SYS_openat2, {1, -1}},
    {SYS_open_tree, {1, -1}},  {SYS_move_mount, {1, 3}},     {SYS_mount, {0, 1}},
    {SYS_umount2, {0, -1}},    {SYS_mount_setattr, {1, -1}}, {SYS_mkdir, {0, -1}},
    {SYS_mkdirat, {1, -1}},    {SYS_mknod, {0, -1}},         {SYS_mknodat, {1, -1}},
    {SYS_stat, {0, -1}},       {SYS_lstat, {0, -1}},         {SYS_newfstatat, {1, -1}},
    {SYS_statx, {1, -1}},      {SYS_statfs, {0, -1}},        {SYS_access, {0, -1}},
    {SYS_faccessat, {1, -1}},  {SYS_faccessat2, {1, -1}},    {SYS_readlink, {0, -1}},
    {SYS_readlinkat, {1, -1}}, {SYS_symlink, {1, -1}},       {SYS_symlinkat, {2, -1}},
    {SYS_unlink, {0, -1}},     {SYS_unlinkat, {1, -1}},      {SYS_chdir, {0, -1}},
    {SYS_chmod, {0, -1}},      {SYS_fchmodat, {1, -1}},      {SYS_chown, {0, -1}},
    {SYS_lchown, {0, -1}},     {SYS_fchownat, {1, -1}},
};

static const char *needle, *first, *second;

static void exchange(void) {
    if (renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE)) {
        fprintf(stderr, "race_step: exchange %s %s: %s\n", first, second, strerror(errno));
        exit(125);
    }
}

static int has_needle(pid_t pid, unsigned long address) {
    char text[4096 + 1];
    if (!address) return 0;
    // The string may end shortly before an unmapped page: read by pages.
    size_t got = 0;
    while (got < sizeof text - 1) {
        size_t page = 4096 - (address + got) % 4096, want = sizeof text - 1 - got;
        struct iovec here = {text + got, page < want ? page : want},
                     there = {(void*)(address + got), here.iov_len};
        ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (n <= 0) break;
        got += n;
        if (memchr(here.iov_base, 0, n)) break;
    }
    text[got] = 0;
    return strstr(text, needle) != NULL;
}

static int walks(pid_t pid, const struct __ptrace_syscall_info* call) {
    for (size_t i = 0; i < sizeof kWalks / sizeof *kWalks; i++)
        if (kWalks[i].number == call->entry.nr)
            for (int p = 0; p < 2 && kWalks[i].paths[p] >= 0; p++)
                if (has_needle(pid, call->entry.args[kWalks[i].paths[p]])) return 1;
    return 0;
}

int main(int argc, char** argv) {
    if (argc < 8) return 2;
    needle = argv[2];
    first = argv[5];
    second = argv[6];
    long wanted = atol(argv[3]), seen = 0;
    int once = !strcmp(argv[4], "once"), result = 0;
    pid_t child = fork(), swapped = 0;
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[7], argv + 7);
        _exit(126);
    }
    int status;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
               PTRACE_O_TRACEEXEC);
    ptrace(PTRACE_SYSCALL, child, 0, 0);
    // Ends with the command. What that leaves running is let go by the kernel when this process ends.
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid != child) continue;
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
        int deliver = 0;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info call;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) > 0) {
                if (call.op == PTRACE_SYSCALL_INFO_ENTRY && walks(pid, &call) && seen++ == wanted) {
                    exchange();
                    swapped = pid;
                } else if (call.op == PTRACE_SYSCALL_INFO_EXIT && pid == swapped && once) {
                    exchange();
                    swapped = 0;
                }
            }
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
            deliver = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, pid, 0, deliver);
    }
    if (once && swapped) exchange();
    FILE* report = fopen(argv[1], "w");
    if (!report || fprintf(report, "%ld\n", seen) < 0 || fclose(report)) return 125;
    return result;
}

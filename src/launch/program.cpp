// SPDX-License-Identifier: Apache-2.0
#include <linux/limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "launch/child.h"
#include "launch/syscalls.h"

namespace berth::launch {

namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const char* get_env(const Plan& plan, const char* name, size_t length) {
    for (const char* const* entry = plan.env; *entry != nullptr; ++entry)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
    return nullptr;
}

/// Calls `visit(path)` for each place where the program may be, as execvp(3) does, until it returns something
/// other than -ENOENT; a -EACCES is remembered and returned if nothing better follows.
template <typename Visit>
int search_path(const Plan& plan, Visit visit) {
    const char* program = plan.program != nullptr ? plan.program : plan.argv[0];
    if (strchr(program, '/') != nullptr) return visit(program);
    const char* path = get_env(plan, "PATH", 4);
    if (path == nullptr) path = kDefaultPath;
    size_t program_length = strlen(program);
    int refused = -ENOENT;
    char candidate[PATH_MAX];
    while (true) {
        const char* end = strchr(path, ':');
        size_t length = end != nullptr ? static_cast<size_t>(end - path) : strlen(path);
        if (length + program_length + 2 <= sizeof candidate) {
            // An empty part means the working directory.
            memcpy(candidate, length != 0 ? path : ".", length != 0 ? length : 1);
            size_t used = length != 0 ? length : 1;
            candidate[used] = '/';
            memcpy(candidate + used + 1, program, program_length + 1);
            int result = visit(candidate);
            if (result == -EACCES || result == -EISDIR)
                refused = -EACCES;
            else if (result != -ENOENT && result != -ENOTDIR)
                return result;
        }
        if (end == nullptr) return refused;
        path = end + 1;
    }
}

/// Reads all that fits of a small file of the container, which may be anything: a FIFO doesn't block us, a
/// device or a folder is not read.
long read_small_file(const char* path, char* buffer, size_t size) {
    ScopedFd file(
        static_cast<int>(call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)));
    if (file.get() < 0) return file.get();
    struct stat found{};
    if (call(SYS_newfstatat, file.get(), "", &found, AT_EMPTY_PATH) < 0 || !S_ISREG(found.st_mode))
        return -EINVAL;
    size_t filled = 0;
    while (filled < size) {
        long got = call(SYS_read, file.get(), buffer + filled, size - filled);
        if (got <= 0) break;
        filled += static_cast<size_t>(got);
    }
    return static_cast<long>(filled);
}

/// The uid-th user's home in passwd(5) text: name:password:UID:gid:gecos:HOME:shell. False if there is none.
bool find_home(const char* text, size_t size, uid_t uid, char* home, size_t home_size) {
    const char* end = text + size;
    while (text < end) {
        const char* line_end = static_cast<const char*>(memchr(text, '\n', static_cast<size_t>(end - text)));
        if (line_end == nullptr) line_end = end;
        const char* field = text;
        uint64_t number = 0;
        bool valid = false;
        for (int index = 0; field <= line_end && index <= 5; ++index) {
            const char* stop = field;
            while (stop < line_end && *stop != ':') ++stop;
            size_t length = static_cast<size_t>(stop - field);
            if (index == 2) {
                valid = length > 0 && length <= 10;
                for (size_t i = 0; i < length && valid; ++i) {
                    valid = field[i] >= '0' && field[i] <= '9';
                    number = number * 10 + static_cast<uint64_t>(field[i] - '0');
                }
                if (!valid || number != uid) break;
            }
            if (index == 5 && valid && length > 0 && length < home_size) {
                memcpy(home, field, length);
                home[length] = '\0';
                return true;
            }
            field = stop + 1;
        }
        text = line_end + 1;
    }
    return false;
}

/// HOME is looked up only now, as the container's own user in its own root, so that nothing of the image is
/// read with more rights than the program itself will have.
void add_home(const Plan& plan) {
    static char entry[PATH_MAX + 5] = "HOME=";
    static char passwd[1 << 16];
    long size = read_small_file("/etc/passwd", passwd, sizeof passwd);
    uid_t uid = static_cast<uid_t>(call(SYS_getuid));
    if (size <= 0 || !find_home(passwd, static_cast<size_t>(size), uid, entry + 5, PATH_MAX))
        memcpy(entry + 5, "/", 2);
    plan.env[plan.home_slot] = entry;
}

/// Programs expect default dispositions and nothing blocked, whatever our own parent ignores (SIGPIPE,
/// SIGHUP).
void reset_signals() {
    struct KernelSigaction {
        void* handler = nullptr;  // SIG_DFL
        unsigned long flags = 0;
        void* restorer = nullptr;
        uint64_t mask = 0;
    } action;
    constexpr int kLastSignal = 64;
    for (int number = 1; number <= kLastSignal; ++number)
        call(SYS_rt_sigaction, number, &action, nullptr, sizeof action.mask);
    uint64_t none = 0;
    call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, nullptr, sizeof none);
}

template <size_t N>
int close_all_but(unsigned first, int (&keep)[N]) {
    for (size_t i = 1; i < N; ++i)  // insertion sort
        for (size_t j = i; j > 0 && keep[j - 1] > keep[j]; --j) {
            int higher = keep[j - 1];
            keep[j - 1] = keep[j];
            keep[j] = higher;
        }
    for (int fd : keep) {
        if (fd < 0 || static_cast<unsigned>(fd) < first) continue;
        unsigned number = static_cast<unsigned>(fd);
        if (number > first) call(SYS_close_range, first, number - 1, 0);
        first = number + 1;
    }
    return static_cast<int>(call(SYS_close_range, first, ~0U, 0));
}

/// Moves the three descriptors to 0, 1 and 2, whatever their numbers are now.
int place_stdio(const Child& child) {
    int from[3];
    for (int i = 0; i < 3; ++i) {
        from[i] = child.terminal >= 0 ? child.terminal : child.plan.stdio[i];
        if (from[i] == i || from[i] >= 3 || from[i] < 0) continue;
        // It would be overwritten before it is used.
        from[i] = static_cast<int>(call(SYS_fcntl, from[i], F_DUPFD_CLOEXEC, 3));
        if (from[i] < 0) return from[i];
    }
    for (int i = 0; i < 3; ++i) {
        if (from[i] < 0 || from[i] == i) continue;
        if (long result = call(SYS_dup3, from[i], i, 0); result < 0) return static_cast<int>(result);
    }
    if (child.terminal >= 0) {
        long result = call(SYS_ioctl, 0, TIOCSCTTY, 0);
        if (result < 0) return static_cast<int>(result);
    }
    return 0;
}

}  // namespace

int run(Child& child, const CloseDescriptors& op) {
    int keep[] = {child.sync, op.listen_fd, child.root, child.proc, child.master};
    if (child.terminal >= 3) close_fd(child.terminal);
    return close_all_but(3U + static_cast<unsigned>(child.plan.preserve_fds), keep);
}

int run(Child& child, const FindProgram&) {
    // A working directory that only the user may enter: execve will tell.
    if (!child.in_cwd) return 0;
    child.step = Step::look_up_program;
    return search_path(child.plan, [](const char* path) {
        struct stat found{};
        if (long result = call(SYS_newfstatat, AT_FDCWD, path, &found, 0); result < 0)
            return static_cast<int>(result);
        if (S_ISDIR(found.st_mode)) return -EISDIR;
        return S_ISREG(found.st_mode) && (found.st_mode & 0111) != 0 ? 0 : -EACCES;
    });
}

int prepare_program(Child& child) {
    if (child.plan.add_home) add_home(child.plan);
    reset_signals();
    int keep[] = {child.sync};
    return close_all_but(3U + static_cast<unsigned>(child.plan.preserve_fds), keep);
}

int execute_program(Child& child) {
    const Plan& plan = child.plan;
    child.step = Step::execute;
    return search_path(plan, [&](const char* path) {
        return static_cast<int>(call(SYS_execve, path, plan.argv, plan.env));
    });
}

int run(Child& child, const PlaceStdio& op) {
    if (int result = place_stdio(child); result < 0) return result;
    if (!op.own || child.terminal >= 0) return 0;
    // So that a program that isn't root can open /dev/stdout anew. Shared devices stay whose they are.
    for (int fd = 0; fd < 3; ++fd) {
        struct stat found{};
        if (call(SYS_newfstatat, fd, "", &found, AT_EMPTY_PATH) < 0 || found.st_uid == op.uid) continue;
        if (S_ISCHR(found.st_mode) || S_ISREG(found.st_mode)) continue;
        call(SYS_fchown, fd, op.uid, -1);
    }
    return 0;
}

}  // namespace berth::launch

// SPDX-License-Identifier: Apache-2.0
//
// Starts commands and prints how long each took, from before the spawn to the end of the wait, in
// microseconds.
//
// usage: spawn_timer ROUNDS COMMAND [ARGUMENT…] [-- COMMAND [ARGUMENT…]]…
//        spawn_timer -p COUNT COMMAND [ARGUMENT…]
//
// The first form runs all commands once in each round, one after another, so that what else happens on the
// machine hits each of them alike, and prints "<index of the command> <µs>" for each run. The second starts
// COUNT at once and prints one line: the time until the last has ended. "@" in an argument becomes a number
// that is different each time. A command named "+floor" is not spawned plainly but cloned into new mount,
// pid, network, ipc, uts and cgroup namespaces: what the kernel charges for a container at least.
//
// stdin and stdout are /dev/null. A command that fails ends the program with status 1.

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

enum { kMaxCommands = 16, kMaxArguments = 64, kMaxLength = 512 };

static int64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void fill_in(char* into, const char* from, int number) {
    size_t length = 0;
    for (; *from && length < kMaxLength - 12; ++from) {
        if (*from == '@')
            length += (size_t)sprintf(into + length, "%d", number);
        else
            into[length++] = *from;
    }
    into[length] = 0;
}

static pid_t start_in_namespaces(char** arguments) {
    struct clone_args how = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                 CLONE_VFORK,
        .exit_signal = SIGCHLD,
    };
    pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    if (pid != 0) return pid;
    execv(arguments[0], arguments);
    _exit(127);
}

static pid_t start(char** command, int number) {
    static char texts[kMaxArguments][kMaxLength];
    char* arguments[kMaxArguments + 1];
    int count = 0;
    for (; command[count] && count < kMaxArguments; ++count) {
        fill_in(texts[count], command[count], number);
        arguments[count] = texts[count];
    }
    arguments[count] = NULL;
    if (strcmp(arguments[0], "+floor") == 0) return start_in_namespaces(arguments + 1);
    pid_t pid = -1;
    int error = posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ);
    if (error != 0) fprintf(stderr, "spawn_timer: %s: %s\n", arguments[0], strerror(error));
    return pid;
}

static void finish(pid_t pid, char** command) {
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) return;
    fprintf(stderr, "spawn_timer: %s failed (status %#x)\n", command[0], status);
    exit(1);
}

int main(int argc, char** argv) {
    int parallel = argc > 2 && strcmp(argv[1], "-p") == 0;
    int first = parallel ? 3 : 2;
    if (argc <= first) return 2;
    int times = atoi(argv[first - 1]);

    FILE* out = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 3), "w");
    int null = open("/dev/null", O_RDWR);
    if (!out || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0) return 2;
    close(null);

    char** commands[kMaxCommands] = {argv + first};
    int count = 1;
    for (int i = first; i < argc; ++i) {
        if (strcmp(argv[i], "--") != 0 || count == kMaxCommands) continue;
        argv[i] = NULL;
        commands[count++] = argv + i + 1;
    }

    int number = 0;
    if (parallel) {
        pid_t* pids = calloc((size_t)times, sizeof *pids);
        if (!pids) return 2;
        int64_t started = now_us();
        for (int i = 0; i < times; ++i) pids[i] = start(commands[0], number++);
        for (int i = 0; i < times; ++i) finish(pids[i], commands[0]);
        fprintf(out, "0 %ld\n", (long)(now_us() - started));
        return fclose(out) == 0 ? 0 : 1;
    }
    for (int round = 0; round < times; ++round) {
        for (int i = 0; i < count; ++i) {
            int64_t started = now_us();
            finish(start(commands[i], number++), commands[i]);
            fprintf(out, "%d %ld\n", i, (long)(now_us() - started));
        }
    }
    return fclose(out) == 0 ? 0 : 1;
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/init.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bitset>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/strings.h"

namespace berth::shim {

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

struct InitOptions {
    bool to_group = false;
    bool subreaper = false;
    bool warn_on_reap = false;
    int verbosity = 1;
    int parent_death_signal = 0;
    std::bitset<256> zero_codes;
    char** program = nullptr;
};

/// What the program shall find as it was before this process changed it.
struct SignalState {
    sigset_t mask;
    struct sigaction ttin, ttou, chld;
};

int verbosity_now = 1;

/// One line to stderr in one write; from `level` 1 on only when asked for. No stdio buffers: they would stay.
[[gnu::format(printf, 2, 3)]] void say(int level, const char* format, ...) {
    if (level > verbosity_now) return;
    static constexpr const char* kNames[] = {"FATAL", "WARN", "INFO", "DEBUG"};
    char line[512];
    int length =
        std::snprintf(line, sizeof line, "[%s berth-init (%d)] ", kNames[level < 3 ? level : 3], ::getpid());
    auto used = static_cast<size_t>(length);
    va_list arguments;
    va_start(arguments, format);
    length = std::vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    used += static_cast<size_t>(length) < sizeof line - used - 1 ? static_cast<size_t>(length)
                                                                 : sizeof line - used - 2;
    line[used++] = '\n';
    ssize_t ignored = ::write(STDERR_FILENO, line, used);
    (void)ignored;
}

constexpr char kUsage[] =
    "Usage: berth-init [OPTIONS] [--] PROGRAM [ARGS...]\n\n"
    "Runs PROGRAM, passes signals on to it and reaps orphaned processes.\n\n"
    "  -e CODE    turn this exit code of PROGRAM into 0 (repeatable)\n"
    "  -g         send signals to PROGRAM's process group   [TINI_KILL_PROCESS_GROUP]\n"
    "  -p SIGNAL  get SIGNAL when the parent dies\n"
    "  -s         become a subreaper                        [TINI_SUBREAPER]\n"
    "  -v         say more (repeatable)                     [TINI_VERBOSITY]\n"
    "  -w         warn of each orphan that is reaped\n"
    "  -h, -l, --version\n";

void print(int fd, const char* text) {
    ssize_t ignored = ::write(fd, text, std::strlen(text));
    (void)ignored;
}

/// "SIGTERM", "TERM" or "15"; 0 if it is none.
int signal_number(const char* name) {
    if (std::optional<int> number = parse_number<int>(name))
        return *number > 0 && *number <= SIGRTMAX ? *number : 0;
    if (std::strncmp(name, "SIG", 3) == 0) name += 3;
    for (int number = 1; number < NSIG; ++number) {
        const char* abbreviation = ::sigabbrev_np(number);
        if (abbreviation != nullptr && std::strcmp(abbreviation, name) == 0) return number;
    }
    return 0;
}

void read_environment(InitOptions& options) {
    if (std::getenv("TINI_SUBREAPER") != nullptr) options.subreaper = true;
    if (std::getenv("TINI_KILL_PROCESS_GROUP") != nullptr) options.to_group = true;
    if (const char* level = std::getenv("TINI_VERBOSITY"))
        if (std::optional<int> number = parse_number<int>(level)) options.verbosity = *number;
}

/// The exit code with which the process shall end at once, or -1.
int apply_option(InitOptions& options, int option, const char* value) {
    switch (option) {
        case 'g': options.to_group = true; return -1;
        case 's': options.subreaper = true; return -1;
        case 'v': ++options.verbosity; return -1;
        case 'w': options.warn_on_reap = true; return -1;
        case 'h': print(STDOUT_FILENO, kUsage); return 0;
        case 'l': print(STDOUT_FILENO, "Apache-2.0\n"); return 0;
        case 'p':
            if ((options.parent_death_signal = signal_number(value)) != 0) return -1;
            break;
        case 'e':
            if (std::optional<unsigned> code = parse_number<unsigned>(value); code && *code < 256) {
                options.zero_codes.set(*code);
                return -1;
            }
            break;
        default: print(STDERR_FILENO, kUsage); return 1;
    }
    say(0, "Not a valid option for -%c: %s", option, value);
    return 1;
}

int parse(InitOptions& options, int argc, char** argv) {
    read_environment(options);
    if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
        print(STDOUT_FILENO, "berth-init version " BERTH_VERSION "\n");
        return 0;
    }
    ::optind = 0;
    for (int option; (option = ::getopt(argc, argv, "+e:ghlp:svw")) != -1;) {
        int code = apply_option(options, option, ::optarg);
        if (code >= 0) return code;
    }
    if (::optind >= argc) {
        print(STDERR_FILENO, kUsage);
        return 1;
    }
    options.program = argv + ::optind;
    return -1;
}

void prepare_process(const InitOptions& options) {
    if (options.parent_death_signal != 0 && ::prctl(PR_SET_PDEATHSIG, options.parent_death_signal) < 0)
        say(0, "Setting the parent death signal failed: %s", std::strerror(errno));
    if (options.subreaper && ::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        say(0, "Becoming a subreaper failed: %s", std::strerror(errno));
    int reaper = 0;
    if (::getpid() != 1 && (::prctl(PR_GET_CHILD_SUBREAPER, &reaper) < 0 || reaper == 0))
        say(1, "Not PID 1 and no subreaper (-s): orphaned processes will not be reaped");
}

/// Blocks all that sigwaitinfo shall collect. The kernel keeps blocked signals even for a PID 1 without
/// handlers, to which it would otherwise not deliver them (kernel/signal.c, sig_ignored).
sigset_t take_signals(SignalState& before) {
    sigset_t waited;
    ::sigfillset(&waited);
    for (int fault : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU})
        ::sigdelset(&waited, fault);
    ::sigprocmask(SIG_SETMASK, &waited, &before.mask);
    // The program's group owns the terminal: under `stty tostop` a message of ours would stop this process.
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGTTIN, &ignore, &before.ttin);
    ::sigaction(SIGTTOU, &ignore, &before.ttou);
    // Ignored, it would make the kernel reap the program and lose its exit code.
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &standard, &before.chld);
    return waited;
}

/// The terminal whose foreground group this process's is; -1: none.
int foreground_terminal() {
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::isatty(fd) == 1 && ::tcgetpgrp(fd) == ::getpgrp()) return fd;
    return -1;
}

[[noreturn]] void run_program(char** program, int terminal, const SignalState& before) {
    ::setpgid(0, 0);
    // By the child itself, so that it is in the foreground before the program reads; SIGTTOU is still ignored
    // here.
    if (terminal >= 0) ::tcsetpgrp(terminal, ::getpid());
    ::sigaction(SIGTTIN, &before.ttin, nullptr);
    ::sigaction(SIGTTOU, &before.ttou, nullptr);
    ::sigaction(SIGCHLD, &before.chld, nullptr);
    ::sigprocmask(SIG_SETMASK, &before.mask, nullptr);
    ::execvp(program[0], program);
    int code = errno;
    bool absent = code == ENOENT || code == ENOTDIR;
    if (code == ENOENT && std::strchr(program[0], '/') == nullptr)
        say(0, "exec: \"%s\": executable file not found in $PATH", program[0]);
    else
        say(0, "exec: \"%s\": %s", program[0],
            absent           ? "no such file or directory"
            : code == EACCES ? "permission denied"
                             : std::strerror(code));
    ::_exit(absent ? kNotFound : kNotExecutable);
}

/// A job of an interactive shell, that may be stopped because somebody can continue it.
bool is_job(int terminal) {
    return terminal >= 0 && ::getpid() != 1 && ::getsid(0) != ::getpid();
}

/// The program was stopped (Ctrl-Z): so is this process, for the shell above to notice, until that continues
/// it.
void stop_with(pid_t program, int terminal) {
    ::tcsetpgrp(terminal, ::getpgrp());
    ::raise(SIGSTOP);
    // `fg` made this group the foreground one, `bg` did not.
    if (::tcgetpgrp(terminal) == ::getpgrp()) ::tcsetpgrp(terminal, program);
    ::kill(-program, SIGCONT);
}

/// Reaps all that can be. The program's wait status once it has ended, else -1.
int reap(const InitOptions& options, pid_t program, int terminal) {
    int result = -1;
    while (true) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG | (is_job(terminal) ? WUNTRACED : 0));
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return result;
        if (WIFSTOPPED(status)) {
            if (pid == program) stop_with(program, terminal);
        } else if (pid == program) {
            result = status;
        } else {
            say(options.warn_on_reap ? 1 : 3, "Reaped zombie process with pid=%d", pid);
        }
    }
}

void pass_on(const InitOptions& options, pid_t program, int number) {
    say(3, "Passing on signal %d", number);
    if (::kill(options.to_group ? -program : program, number) < 0)
        say(1, "Passing on signal %d failed: %s", number, std::strerror(errno));
}

int supervise(const InitOptions& options, pid_t program, int terminal, const sigset_t& waited) {
    while (true) {
        siginfo_t info;
        int number = ::sigwaitinfo(&waited, &info);
        if (number < 0) continue;
        if (number != SIGCHLD) {
            pass_on(options, program, number);
            continue;
        }
        int status = reap(options, program, terminal);
        if (status < 0) continue;
        unsigned code =
            static_cast<unsigned>(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        say(2, "The program ended with %u", code);
        return options.zero_codes.test(code) ? 0 : static_cast<int>(code);
    }
}

}  // namespace

int init_main(int argc, char** argv) {
    InitOptions options;
    int code = parse(options, argc, argv);
    if (code >= 0) return code;
    verbosity_now = options.verbosity;
    prepare_process(options);
    SignalState before{};
    sigset_t waited = take_signals(before);
    int terminal = foreground_terminal();
    pid_t program = ::fork();
    if (program < 0) {
        say(0, "fork failed: %s", std::strerror(errno));
        return 1;
    }
    if (program == 0) run_program(options.program, terminal, before);
    // Both sides do it, so that no signal to the group comes before there is one.
    ::setpgid(program, program);
    say(2, "Started \"%s\" as %d", options.program[0], program);
    return supervise(options, program, terminal, waited);
}

}  // namespace berth::shim

// SPDX-License-Identifier: Apache-2.0
#include "raw_terminal.h"

#include <signal.h>

#include "sys/file.h"

namespace berth::oci {

namespace {

// For the signal handler, which can reach nothing else.
volatile sig_atomic_t g_raw_fd = -1;
termios g_before;

constexpr int kFatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};

void restore_and_die(int signal) {
    if (g_raw_fd >= 0) tcsetattr(g_raw_fd, TCSANOW, &g_before);
    raise(signal);  // SA_RESETHAND: the default action, once this handler returns
}

}  // namespace

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    sys::check(tcgetattr(fd, &before_), "tcgetattr");
    g_before = before_;
    g_raw_fd = fd;
    struct sigaction action{};
    action.sa_handler = restore_and_die;
    action.sa_flags = SA_RESETHAND;
    for (int signal : kFatal) sigaction(signal, &action, nullptr);

    termios raw = before_;
    cfmakeraw(&raw);
    sys::check(tcsetattr(fd, TCSANOW, &raw), "tcsetattr");
}

RawTerminal::~RawTerminal() {
    tcsetattr(fd_, TCSADRAIN, &before_);
    g_raw_fd = -1;
    for (int fatal : kFatal) signal(fatal, SIG_DFL);
}

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "daemon_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "sys/file.h"

namespace berth::app {

namespace {

constexpr std::array kHandled = {SIGTERM, SIGINT, SIGUSR2, SIGHUP};

// What a signal handler can reach.
int write_end = -1;
std::atomic<int> ends_asked = 0;  // lock-free

void on_signal(int number) {
    int saved = errno;
    if (number != SIGHUP && ++ends_asked > 1) {
        constexpr std::string_view kMessage = "Forcing shutdown without cleaning up\n";
        [[maybe_unused]] ssize_t told = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
        ::_exit(1);
    }
    auto byte = static_cast<unsigned char>(number);
    [[maybe_unused]] ssize_t sent = ::write(write_end, &byte, 1);
    errno = saved;
}

UniqueFd install() {
    std::array<int, 2> ends{};
    sys::check(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), "pipe2");
    write_end = ends[1];
    ends_asked = 0;
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (int number : kHandled) ::sigaction(number, &action, nullptr);
    return UniqueFd(ends[0]);
}

}  // namespace

DaemonSignals::DaemonSignals(async::Context& context) : reader_(context, install()) {}

DaemonSignals::~DaemonSignals() {
    for (int number : kHandled) ::signal(number, SIG_DFL);
    ::close(write_end);
    write_end = -1;
}

async::Task<int> DaemonSignals::next() {
    while (true) {
        unsigned char number = 0;
        if (::read(reader_.fd(), &number, 1) == 1) co_return number;
        co_await reader_.wait_readable();
    }
}

}  // namespace berth::app

// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "cli/output.h"
#include "cli/prune/prune.h"
#include "sys/file.h"

namespace berth::cli {
namespace {

/// SIGINT and SIGTERM come by a descriptor as long as it lives; those that came in between are dropped.
class AnswerSignals {
  public:
    AnswerSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set_, &before_);
        fd_ = UniqueFd(sys::check(signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
    }
    AnswerSignals(const AnswerSignals&) = delete;
    AnswerSignals& operator=(const AnswerSignals&) = delete;
    ~AnswerSignals() {
        signalfd_siginfo info;
        while (read(fd_.get(), &info, sizeof info) > 0) {
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    int fd() const { return fd_.get(); }

  private:
    sigset_t set_, before_;
    UniqueFd fd_;
};

/// A line of stdin; nothing where a signal came first. Byte by byte: what follows is not ours.
std::optional<std::string> read_answer(const AnswerSignals& signals) {
    std::string line;
    while (true) {
        pollfd waited[2] = {{STDIN_FILENO, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
        sys::check(sys::retry([&] { return poll(waited, 2, -1); }), "poll");
        if (waited[1].revents) return std::nullopt;
        char byte = 0;
        ssize_t got = sys::retry([&] { return read(STDIN_FILENO, &byte, 1); });
        if (got <= 0 || byte == '\n') return line;
        line += byte;
    }
}

}  // namespace

bool confirm(std::string_view question) {
    AnswerSignals signals;  // before the question: who reads it may answer at once
    print_out(std::string(question) + " [y/N] ");
    std::optional<std::string> answer = read_answer(signals);
    if (!answer) print_out("\n");
    std::string_view word = answer ? trim(*answer) : "";
    return word == "y" || word == "Y";
}

}  // namespace berth::cli

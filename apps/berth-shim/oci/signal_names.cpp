// SPDX-License-Identifier: Apache-2.0
#include "signal_names.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "base/strings.h"

namespace berth::oci {

namespace {

struct Name {
    std::string_view text;
    int number;
};

constexpr std::array kNames = {
    Name{"HUP", SIGHUP},       Name{"INT", SIGINT},     Name{"QUIT", SIGQUIT}, Name{"ILL", SIGILL},
    Name{"TRAP", SIGTRAP},     Name{"ABRT", SIGABRT},   Name{"IOT", SIGIOT},   Name{"BUS", SIGBUS},
    Name{"FPE", SIGFPE},       Name{"KILL", SIGKILL},   Name{"USR1", SIGUSR1}, Name{"SEGV", SIGSEGV},
    Name{"USR2", SIGUSR2},     Name{"PIPE", SIGPIPE},   Name{"ALRM", SIGALRM}, Name{"TERM", SIGTERM},
    Name{"STKFLT", SIGSTKFLT}, Name{"CHLD", SIGCHLD},   Name{"CLD", SIGCHLD},  Name{"CONT", SIGCONT},
    Name{"STOP", SIGSTOP},     Name{"TSTP", SIGTSTP},   Name{"TTIN", SIGTTIN}, Name{"TTOU", SIGTTOU},
    Name{"URG", SIGURG},       Name{"XCPU", SIGXCPU},   Name{"XFSZ", SIGXFSZ}, Name{"VTALRM", SIGVTALRM},
    Name{"PROF", SIGPROF},     Name{"WINCH", SIGWINCH}, Name{"IO", SIGIO},     Name{"POLL", SIGPOLL},
    Name{"PWR", SIGPWR},       Name{"SYS", SIGSYS},
};

// What the container's programs see as the ends of the range (glibc and musl keep some for themselves, but
// agree on 34 … 64 as users' signals).
constexpr int kRtMin = 34, kRtMax = 64;

std::optional<int> real_time(std::string_view name) {
    int first = name.starts_with("RTMIN") ? kRtMin : name.starts_with("RTMAX") ? kRtMax : 0;
    if (first == 0) return std::nullopt;
    name.remove_prefix(5);
    if (name.empty()) return first;
    char sign = name[0];
    std::optional<int> offset = parse_number<int>(name.substr(1));
    if (!offset || *offset < 0 || *offset > kRtMax - kRtMin || sign != (first == kRtMin ? '+' : '-'))
        return std::nullopt;
    return first == kRtMin ? first + *offset : first - *offset;
}

}  // namespace

std::optional<int> parse_signal(std::string_view text) {
    if (auto number = parse_number<int>(text)) return number;
    std::string name(text);
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    std::string_view bare = name;
    if (bare.starts_with("SIG")) bare.remove_prefix(3);
    for (const Name& known : kNames)
        if (known.text == bare) return known.number;
    return real_time(bare);
}

}  // namespace berth::oci

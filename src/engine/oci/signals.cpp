// SPDX-License-Identifier: Apache-2.0
#include "engine/oci/signals.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/strings.h"

namespace berth::engine {

namespace {

// The kernel's first realtime signal that programs may use; glibc keeps 32 and 33, and SIGRTMIN is a call.
constexpr int kFirstRealtime = 34, kLastRealtime = 64;

constexpr std::array<std::pair<std::string_view, int>, 37> kNames = {{
    {"ABRT", SIGABRT},
    {"ALRM", SIGALRM},
    {"BUS", SIGBUS},
    {"CHLD", SIGCHLD},
    {"CLD", SIGCHLD},
    {"CONT", SIGCONT},
    {"FPE", SIGFPE},
    {"HUP", SIGHUP},
    {"ILL", SIGILL},
    {"INT", SIGINT},
    {"IO", SIGIO},
    {"IOT", SIGIOT},
    {"KILL", SIGKILL},
    {"PIPE", SIGPIPE},
    {"POLL", SIGPOLL},
    {"PROF", SIGPROF},
    {"PWR", SIGPWR},
    {"QUIT", SIGQUIT},
    {"SEGV", SIGSEGV},
    {"STKFLT", SIGSTKFLT},
    {"STOP", SIGSTOP},
    {"SYS", SIGSYS},
    {"TERM", SIGTERM},
    {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},
    {"URG", SIGURG},
    {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},
    {"VTALRM", SIGVTALRM},
    {"WINCH", SIGWINCH},
    {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ},
    {"RTMIN", kFirstRealtime},
    {"RTMAX", kLastRealtime},
    {"UNUSED", SIGSYS},
}};

std::optional<int> find_signal(std::string_view text) {
    if (auto number = parse_number<int>(text))
        return *number >= 1 && *number <= kLastRealtime ? number : std::nullopt;
    std::string name(text);
    for (char& c : name)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    std::string_view rest = name;
    if (rest.starts_with("SIG")) rest.remove_prefix(3);
    for (const auto& [known, number] : kNames)
        if (rest == known) return number;

    bool from_first = rest.starts_with("RTMIN+");
    if (!from_first && !rest.starts_with("RTMAX-")) return std::nullopt;
    auto offset = parse_number<unsigned>(rest.substr(6));
    if (!offset || *offset > kLastRealtime - kFirstRealtime) return std::nullopt;
    int distance = static_cast<int>(*offset);
    return from_first ? kFirstRealtime + distance : kLastRealtime - distance;
}

}  // namespace

int parse_signal(std::string_view text) {
    auto number = find_signal(text);
    if (!number) throw make_error(ErrorKind::invalid_argument, "invalid signal: {}", text);
    return *number;
}

}  // namespace berth::engine

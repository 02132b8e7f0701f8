// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "command.h"
#include "signal_names.h"

namespace berth::oci {

namespace {

constexpr std::array kFlags = {
    Flag{"all", "a", Flag::Kind::boolean, "send the signal to every process of the container"},
};

int kill(const Invocation& invocation) {
    runtime::Container container = invocation.container();
    std::string name = invocation.args.size() > 1 ? invocation.args[1] : "SIGTERM";
    std::optional<int> signal = parse_signal(name);
    if (!signal) throw make_error(ErrorKind::invalid_argument, "unknown signal {}", quote(name));
    container.kill(*signal, invocation.flags.boolean("all"));
    return 0;
}

}  // namespace

constinit const Command kKillCommand = {
    .name = "kill",
    .summary = "send a signal to the container's init process",
    .arguments = "<container-id> [signal]",
    .description =
        "The signal is a number or a name, with or without SIG (KILL, SIGUSR1, RTMIN+3); SIGTERM if absent.",
    .flags = kFlags,
    .max_args = 2,
    .run = kill,
};

}  // namespace berth::oci

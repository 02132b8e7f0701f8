// SPDX-License-Identifier: Apache-2.0
#include "console.h"
#include "create_options.h"
#include "exec_flags.h"
#include "exec_process.h"
#include "foreground.h"
#include "pidfd_socket.h"
#include "sys/file.h"

namespace berth::oci {

namespace {

spec::Process process_of(const Invocation& invocation, const runtime::Container& container) {
    spec::Process process;
    if (std::string file = invocation.flags.text("process"); !file.empty()) {
        process = with_context(file, [&] { return spec::decode_process(sys::read_file(file)); });
    } else {
        const auto& base = container.config().process;
        process = exec_process(base ? *base : spec::Process{}, invocation.flags,
                               {invocation.args.begin() + 1, invocation.args.end()});
    }
    check_process(process);
    return process;
}

void check_terminal(const runtime::ExecOptions& options, bool detach) {
    bool terminal = options.process.terminal, socket = !options.console_socket.empty();
    if (detach && terminal && !socket)
        throw make_error(ErrorKind::invalid_argument,
                         "cannot allocate tty if {} will detach without setting console socket", kProgram);
    if ((!detach || !terminal) && socket)
        throw make_error(ErrorKind::invalid_argument,
                         "cannot use console socket if {} will not detach or allocate tty", kProgram);
}

runtime::ExecOptions exec_options(const Invocation& invocation, const runtime::Container& container) {
    const Flags& flags = invocation.flags;
    runtime::ExecOptions options;
    options.process = process_of(invocation, container);
    options.console_socket = absolute_path(flags.text("console-socket"));
    options.keep_console = !flags.boolean("detach");
    if (options.keep_console && options.process.terminal)
        if (std::optional<winsize> size = own_terminal_size())
            options.process.consoleSize = spec::Box{size->ws_row, size->ws_col};
    options.pid_file = absolute_path(flags.text("pid-file"));
    options.cgroup = parse_cgroups(flags.texts("cgroup"));
    options.ignore_paused = flags.boolean("ignore-paused");
    int64_t preserved = flags.number("preserve-fds").value_or(0);
    check_preserved_fds(preserved);
    options.preserve_fds = static_cast<int>(preserved);
    return options;
}

int exec(const Invocation& invocation) {
    bool detach = invocation.flags.boolean("detach");
    runtime::Container container = invocation.container();
    runtime::ExecOptions options = exec_options(invocation, container);
    check_terminal(options, detach);

    PidfdSocket pidfd_socket(absolute_path(invocation.flags.text("pidfd-socket")));
    std::optional<SignalQueue> signals;
    if (!detach) signals.emplace();
    runtime::Executed executed = container.exec(options);
    pidfd_socket.send(executed.process.pidfd());
    if (detach) {
        executed.process.release();
        return 0;
    }
    return wait_in_foreground(executed.process, *signals, std::move(executed.console_master), false).code;
}

}  // namespace

constinit const Command kExecCommand = {
    .name = "exec",
    .summary = "run one more process in a container",
    .arguments = "<container-id> <command> [arguments...] || -p process.json <container-id>",
    .description =
        "What no flag says is as for the container's own process. The exit code is the process's; 255 if it\n"
        "could not be run (127 if the program was not found, 126 if it can't be executed).",
    .flags = kExecFlags,
    .max_args = kAnyNumber,
    .run = exec,
    .failure_prefix = "exec failed: ",
    .failure_code = 255,
    .exec_codes = true,
    .seen_in_container = true,
};

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>

#include <array>

#include "base/log.h"
#include "console.h"
#include "create_options.h"
#include "foreground.h"
#include "pidfd_socket.h"
#include "sys/file.h"

namespace berth::oci {

namespace {

constexpr auto kText = Flag::Kind::text;
constexpr auto kBoolean = Flag::Kind::boolean;

constexpr std::array kFlags = {
    Flag{"bundle", "b", kText, "folder of the bundle", "the current folder"},
    Flag{"console-socket", "", kText, "unix socket that is sent the master of the process's terminal"},
    Flag{"pidfd-socket", "", kText, "unix socket that is sent a pidfd of the container's init process"},
    Flag{"detach", "d", kBoolean, "return once the process runs"},
    Flag{"keep", "", kBoolean, "don't delete the container after its end"},
    Flag{"pid-file", "", kText, "file to write the process id to"},
    Flag{"no-subreaper", "", kBoolean, "don't become the parent of the container's orphans"},
    Flag{"no-pivot", "", kBoolean,
         "move the root mount instead of pivot_root: for a root file system on a ramfs"},
    Flag{"no-new-keyring", "", kBoolean, "leave the process in the caller's session keyring"},
    Flag{"preserve-fds", "", Flag::Kind::number, "pass N more descriptors, from 3 on, to the process", "0"},
};

/// From created to running. A container that can't be started is removed.
void start(runtime::Container& container, runtime::Created& created, PidfdSocket& pidfd_socket) {
    try {
        // The program may ask for the size with its first breath.
        std::optional<winsize> size = created.console_master ? own_terminal_size() : std::nullopt;
        if (size) ioctl(created.console_master.get(), TIOCSWINSZ, &*size);
        pidfd_socket.send(created.init.pidfd());
        container.start(&created);
    } catch (...) {
        container.remove(true);
        throw;
    }
}

int run(const Invocation& invocation) {
    const Flags& flags = invocation.flags;
    bool detach = flags.boolean("detach");
    bool subreaper = !detach && !flags.boolean("no-subreaper");
    runtime::CreateOptions options = create_options(invocation);
    if (!detach && !options.console_socket.empty())
        throw make_error(ErrorKind::invalid_argument,
                         "cannot use console socket if {} will not detach or allocate tty", kProgram);
    options.keep_console = !detach;
    options.attached = true;

    PidfdSocket pidfd_socket(absolute_path(flags.text("pidfd-socket")));
    std::optional<SignalQueue> signals;
    if (!detach) signals.emplace();
    if (subreaper) sys::check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)");

    runtime::Created created;
    runtime::Container container = runtime::Container::create(invocation.settings, options, created);
    start(container, created, pidfd_socket);
    if (detach) {
        created.init.release();
        return 0;
    }
    sys::ExitStatus status =
        wait_in_foreground(created.init, *signals, std::move(created.console_master), subreaper);
    if (!flags.boolean("keep")) {
        try {
            container.remove(false);
        } catch (const Error& error) {
            log::warning("{}", error.what());  // the exit code is what the caller came for
        }
    }
    return status.code;
}

}  // namespace

constinit const Command kRunCommand = {
    .name = "run",
    .summary = "create and start a container",
    .arguments = "<container-id>",
    .description =
        "Makes a container from a bundle, runs its program, and deletes it after the program's end. The "
        "exit\n"
        "code is the program's, or 128 and the number of the signal that ended it.",
    .flags = kFlags,
    .run = run,
    .failure_prefix = "berth-oci run failed: ",
    .exec_codes = true,
    .seen_in_container = true,
};

}  // namespace berth::oci

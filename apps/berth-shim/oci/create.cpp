// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "create_options.h"
#include "pidfd_socket.h"

namespace berth::oci {

namespace {

constexpr auto kText = Flag::Kind::text;
constexpr auto kBoolean = Flag::Kind::boolean;

constexpr std::array kFlags = {
    Flag{"bundle", "b", kText, "folder of the bundle", "the current folder"},
    Flag{"console-socket", "", kText, "unix socket that is sent the master of the process's terminal"},
    Flag{"pidfd-socket", "", kText, "unix socket that is sent a pidfd of the container's init process"},
    Flag{"pid-file", "", kText, "file to write the process id to"},
    Flag{"no-pivot", "", kBoolean,
         "move the root mount instead of pivot_root: for a root file system on a ramfs"},
    Flag{"no-new-keyring", "", kBoolean, "leave the process in the caller's session keyring"},
    Flag{"preserve-fds", "", Flag::Kind::number, "pass N more descriptors, from 3 on, to the process", "0"},
};

int create(const Invocation& invocation) {
    PidfdSocket pidfd_socket(absolute_path(invocation.flags.text("pidfd-socket")));
    runtime::Created created;
    runtime::Container container =
        runtime::Container::create(invocation.settings, create_options(invocation), created);
    try {
        pidfd_socket.send(created.init.pidfd());
    } catch (...) {
        container.remove(true);
        throw;
    }
    created.init.release();
    return 0;
}

}  // namespace

constinit const Command kCreateCommand = {
    .name = "create",
    .summary = "create a container",
    .arguments = "<container-id>",
    .description =
        "Makes a container from a bundle, up to the point where only the program has to be executed:\n"
        "that is what `start` does. The id must not be in use on this host.",
    .flags = kFlags,
    .run = create,
    .failure_prefix = "berth-oci create failed: ",
    .seen_in_container = true,
};

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include "self_protect.h"

namespace berth::oci {

namespace {

int start(const Invocation& invocation) {
    runtime::Container container = invocation.container();
    // These hooks are executed in the container's namespaces by children of this process.
    const auto& hooks = container.config().hooks;
    if (hooks && !hooks->startContainer.empty()) protect_own_executable(invocation.argv);
    container.start();
    return 0;
}

}  // namespace

constinit const Command kStartCommand = {.name = "start",
                                         .summary = "execute the program of a created container",
                                         .arguments = "<container-id>",
                                         .run = start};

}  // namespace berth::oci

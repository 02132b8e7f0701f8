// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include "container_state.h"
#include "sys/file.h"

namespace berth::oci {

constinit const Command kStateCommand = {
    .name = "state",
    .summary = "print the state of a container as JSON",
    .arguments = "<container-id>",
    .run =
        [](const Invocation& invocation) {
            sys::write_all(1, state_json(container_state(invocation.container()), true), "stdout");
            return 0;
        },
};

}  // namespace berth::oci

// SPDX-License-Identifier: Apache-2.0
#include "command.h"

namespace berth::oci {

constinit const Command kPauseCommand = {
    .name = "pause",
    .summary = "freeze all processes of a container",
    .arguments = "<container-id>",
    .run =
        [](const Invocation& invocation) {
            invocation.container().pause();
            return 0;
        },
};

constinit const Command kResumeCommand = {
    .name = "resume",
    .summary = "let the processes of a paused container go on",
    .arguments = "<container-id>",
    .run =
        [](const Invocation& invocation) {
            invocation.container().resume();
            return 0;
        },
};

}  // namespace berth::oci

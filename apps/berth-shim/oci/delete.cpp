// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "command.h"

namespace berth::oci {

namespace {

constexpr std::array kFlags = {
    Flag{"force", "f", Flag::Kind::boolean,
         "kill the container first if it still runs; an unknown id is no error"},
};

int delete_container(const Invocation& invocation) {
    if (invocation.flags.boolean("force")) {
        runtime::Container::remove_forced(invocation.settings, invocation.id());
        return 0;
    }
    invocation.container().remove(false);
    return 0;
}

}  // namespace

constinit const Command kDeleteCommand = {
    .name = "delete",
    .summary = "give back all that a stopped container holds",
    .arguments = "<container-id>",
    .description = "Its cgroup and its state; the bundle stays.",
    .flags = kFlags,
    .run = delete_container,
};

}  // namespace berth::oci
